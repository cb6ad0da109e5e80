"""A training from its order to its facts: followed by trackers, launched in child processes, heard.

    run.work(order, snapshot, recipe, shop)     Result: the facts of adapter.json, and the adapter's content as identity

Whatever is trained is trained through here: `TrainOrder` and what derives from it.
"""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from storage import remote
from storage.adapters.folder import ABOUT
from storage.artifacts import sha256, write_json
from storage.devices import Held
from storage.records import Receipt, digest
from tasks.runtime import process, redaction
from tasks.runtime.step import Progress, Result, Tick, Workshop
from tasks.train import tracking
from tasks.train.launch import command
from tasks.train.order import TrainOrder

log = logging.getLogger("ponens")

SCRATCH, ORDER = "scratch", "order.json"


def work(order: TrainOrder, rows: Receipt, recipe: str, shop: Workshop) -> Result:
    """Train, and what came of it; `rows` are what is trained on, `recipe` is what trackers are told."""
    report_to = order.spec.report_to
    tracking.check(report_to)
    about = shop.folder / ABOUT
    followed = _followed(order, rows, recipe, shop)
    with tracking.following(report_to, followed, shop.folder / SCRATCH / "mlflow", shop.home) as told:
        if not about.exists():  # else a kill came between the training's end and the publishing
            _train(order, shop)
    if run := told.get("run_id"):
        write_json(
            about,
            orjson.loads(about.read_bytes())
            | {
                "mlflow": {
                    "run_id": run,
                    "experiment_id": told["experiment_id"],
                    "uri": remote.public(tracking.store(shop.home)),
                }
            },
        )
    shutil.rmtree(shop.folder / SCRATCH, ignore_errors=True)
    facts: dict[str, Any] = orjson.loads(about.read_bytes())["facts"]
    return Result(facts, identity=content(shop.folder))


def content(adapter: Path) -> str:
    """Digest of what an adapter does: weights, configuration, tokenizer and template, not times or notes."""
    apart = {ABOUT, "manifest.json", "README.md", "replies.parquet"}
    return digest({p.name: sha256(p) for p in sorted(adapter.iterdir()) if p.is_file() and p.name not in apart})


def _followed(order: TrainOrder, rows: Receipt, recipe: str, shop: Workshop) -> dict[str, Any]:
    about = order.about
    name = about["settings"]["name"]
    key = shop.folder.name.rpartition("-")[2]
    count = (rows.facts.get("rows") or {}).get("train", 0)
    return {
        "experiment": name,
        "run_name": f"{name}-{key[:8]}",
        "key": key,
        "params": redaction.public(about["settings"]) | {"base_identity": about["base_identity"]},
        "recipe": redaction.public(orjson.loads(recipe)) if recipe else None,
        "dataset": {"name": name, "digest": rows.digest, "path": str(order.train.parent), "rows": count},
        "history": str(shop.folder / SCRATCH / "history.json"),
        "adapter": str(shop.folder),
        "base_folder": order.base_folder,
    }


def _train(order: TrainOrder, shop: Workshop) -> None:
    write_json(shop.folder / SCRATCH / ORDER, order.model_dump(mode="json"))
    spec, name, key = order.spec, order.about["settings"]["name"], shop.folder.name.rpartition("-")[2]
    with shop.devices(spec.processes // spec.nodes) as devices:
        launch(order, shop.progress, devices, tracking.surroundings(shop.home, name, key))


def launch(
    order: TrainOrder, progress: Progress, devices: Held, environment: Mapping[str, str] | None = None, node: int = 0
) -> None:
    """Train in child processes as the order in the scratch folder says, on this node its part of them.

    PonensError if they end otherwise than well.
    """
    scratch = order.folder / SCRATCH

    def hear(message: dict[str, Any]) -> None:
        if text := message.get("say"):
            log.info("train: %s", text)
        if text := message.get("warn"):
            log.warning("train: %s", text)
        if "step" in message:
            loss = message.get("loss")
            note = f"loss {loss:.3f}" if isinstance(loss, float) and math.isfinite(loss) else ""
            progress(Tick(message["step"], message["total"], "steps", note))

    process.run(
        command(order.spec, scratch / ORDER, node, order.module),
        log=scratch / (f"train-{node}.log" if node else "train.log"),
        hear=hear,
        what="training",
        relief="set a smaller batch_size or max_length, or gradient_checkpointing",
        environment={**({"HF_HUB_OFFLINE": "1"} if order.base_folder else {}), **(environment or {})},
        devices=devices,
    )
