"""train: snapshot + base model -> LoRA adapter NAME/N (a PEFT folder, and adapter.json for people).

    step(TrainSpec(base_model="recipes/demo_base"), "logic", snapshot, home)

The work runs in a child process, `accelerate launch -m tasks.trainer`: memory is given back, several
devices are a setting, and a kill is clean. Its checkpoints stay in the work folder until the adapter
is whole, so the same command goes on from the newest of them.
"""

from __future__ import annotations

import logging
import math
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from storage import remote
from storage.adapters import ABOUT, SERVABLE_RANKS, check_name
from storage.artifacts import read_manifest, sha256, write_json
from storage.records import Receipt, UsageError, digest
from tasks import child, models
from tasks.step import Result, Step, Tick, Workshop, of
from tasks.training import tracking

if TYPE_CHECKING:
    from tasks import trainer as _  # noqa: F401  # never imported here, but its code is part of the step's key

log = logging.getLogger("ponens")

SCRATCH = "scratch"
# of the spec, what leaves the adapter as it is
_SHAPELESS = {"save_steps", "gradient_checkpointing", "max_truncated_share", "report_to"}


class TrainSpec(BaseModel):
    """Settings of a training run; the defaults suit a 7B model on one 24 GB GPU."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_model: str = Field(description="Folder or hub name of the base model, spelled as it will be served.")
    revision: str | None = Field(None, description="Commit or tag of a hub's model; pin it to be sure of the weights.")
    method: Literal["lora"] = Field("lora", description="How the weights are adapted.")
    rank: int = Field(16, ge=1, description="Rank of the adapter's matrices; one of those that vLLM serves.")
    alpha: float | None = Field(None, gt=0, description="Scale of the adapter, over rank; twice the rank if not given.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout before the adapter's matrices.")
    target_modules: Literal["all-linear"] | list[str] = Field(
        "all-linear", description="Layers to adapt: all linear ones but the head, or names such as q_proj."
    )
    loss: Literal["completion"] = Field("completion", description="Which tokens teach: those of the completion.")
    epochs: float = Field(3, gt=0, description="Passes over the snapshot.")
    max_steps: int | None = Field(None, ge=1, description="Stop after so many optimizer steps, whatever the epochs.")
    learning_rate: float = Field(2e-4, gt=0, description="Highest learning rate.")
    scheduler: Literal["cosine", "linear", "constant", "constant_with_warmup"] = Field(
        "cosine", description="Course of the learning rate after the warm-up."
    )
    warmup: float = Field(0.03, ge=0, description="Warm-up: below 1 a share of all steps, else a number of steps.")
    batch_size: int = Field(4, ge=1, description="Rows a device takes at once.")
    gradient_accumulation: int = Field(4, ge=1, description="Batches added up before each optimizer step.")
    weight_decay: float = Field(0.0, ge=0, description="Weight decay of AdamW.")
    adam_beta2: float = Field(0.999, gt=0, lt=1, description="Second beta of AdamW.")
    max_grad_norm: float = Field(1.0, ge=0, description="Gradients are clipped to this norm; 0 is no clipping.")
    max_length: int = Field(2048, ge=8, description="Tokens of prompt and completion; a longer row is cut.")
    max_truncated_share: float = Field(0.05, ge=0, le=1, description="Fail if a larger share of rows is cut.")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Numbers of the base model; auto is bfloat16 on a GPU that has it, else float32."
    )
    gradient_checkpointing: bool | None = Field(
        None, description="Less memory for more time; if not given, on from a billion parameters."
    )
    seed: int = Field(0, ge=0, description="Seed of the adapter's start, the order of rows and dropout.")
    save_steps: int = Field(200, ge=1, description="Steps between checkpoints.")
    processes: int = Field(1, ge=1, description="Processes of accelerate launch, one a device.")
    report_to: list[tracking.Tracker] = Field(
        ["mlflow"], description="Who is told of the training: mlflow, wandb, tensorboard; none tells nobody."
    )


def step(spec: TrainSpec, name: str, snapshot: Receipt, recipe: str = "") -> Step:
    """The step that makes the next version of adapter `name`; `recipe`, resolved, is what trackers are told of it.

    UsageError, before anything is loaded, for a name or rank that cannot be served, or a base model that is not there.
    """
    check_name(name)
    if spec.rank not in SERVABLE_RANKS:
        raise UsageError(
            "[train] rank cannot be served by vLLM",
            seen=spec.rank,
            expected=f"one of {', '.join(map(str, SERVABLE_RANKS))}",
        )
    settings = spec.model_dump(exclude=_SHAPELESS) | {
        "name": name,
        "alpha": spec.alpha or 2.0 * spec.rank,
        "base_model": models.spelling(spec.base_model),
    }
    base = models.identity(spec.base_model, spec.revision)
    return Step(
        name="train",
        module=__name__,
        settings=settings,
        inputs={"snapshot": of(snapshot), "base_model": base},
        work=lambda shop: _work(spec, settings, base, snapshot, recipe, shop),
        shelf=f"adapters/{name}",
        numbered=True,
    )


def _work(
    spec: TrainSpec, settings: Mapping[str, Any], base: str, snapshot: Receipt, recipe: str, shop: Workshop
) -> Result:
    tracking.check(spec.report_to)
    about = shop.folder / ABOUT
    order = _order(spec, settings, base, snapshot, shop)
    followed = _followed(order, snapshot, recipe, shop)
    with tracking.following(spec.report_to, followed, shop.folder / SCRATCH / "mlflow", shop.home) as told:
        if not about.exists():  # else a kill came between the training's end and the publishing
            _train(spec, order, shop)
    if run := told.get("run_id"):
        write_json(
            about,
            orjson.loads(about.read_bytes())
            | {"mlflow": {"run_id": run, "uri": remote.public(tracking.store(shop.home))}},
        )
    shutil.rmtree(shop.folder / SCRATCH, ignore_errors=True)
    facts: dict[str, Any] = orjson.loads(about.read_bytes())["facts"]
    return Result(facts, identity=content(shop.folder))


def content(adapter: Path) -> str:
    """Digest of what an adapter does: weights, configuration, tokenizer and template, not times or notes."""
    apart = {ABOUT, "manifest.json", "README.md"}
    return digest({p.name: sha256(p) for p in sorted(adapter.iterdir()) if p.is_file() and p.name not in apart})


def _order(
    spec: TrainSpec, settings: Mapping[str, Any], base: str, snapshot: Receipt, shop: Workshop
) -> dict[str, Any]:
    source = shop.home.root / snapshot.artifact
    told = read_manifest(source).get("facts", {})
    return {
        "spec": spec.model_dump() | {"alpha": settings["alpha"], "base_model": settings["base_model"]},
        "base_folder": str(models.folder(spec.base_model) or ""),
        "train": str(source / "train.parquet"),
        "valid": str(source / "valid.parquet"),
        "folder": str(shop.folder),
        "about": {
            "base_model": settings["base_model"],
            "revision": spec.revision,
            "base_identity": base,
            "snapshot": snapshot.digest,
            "prompt": told.get("prompt"),
            "settings": dict(settings),
            # greedy, and no longer than anything that was learnt
            "inference": {
                "question": told.get("question_template"),
                "temperature": 0.0,
                "top_p": 1.0,
                "max_new_tokens": spec.max_length,
                "seed": 0,
            },
        },
    }


def _followed(order: Mapping[str, Any], snapshot: Receipt, recipe: str, shop: Workshop) -> dict[str, Any]:
    about = order["about"]
    name = about["settings"]["name"]
    key = shop.folder.name.rpartition("-")[2]
    rows = (snapshot.facts.get("rows") or {}).get("train", 0)
    return {
        "experiment": name,
        "run_name": f"{name}-{key[:8]}",
        "key": key,
        "params": tracking.public(about["settings"]) | {"base_identity": about["base_identity"]},
        "recipe": tracking.public(orjson.loads(recipe)) if recipe else None,
        "dataset": {"name": name, "digest": snapshot.digest, "path": str(Path(order["train"]).parent), "rows": rows},
        "history": str(shop.folder / SCRATCH / "history.json"),
        "adapter": str(shop.folder),
        "base_folder": order["base_folder"],
    }


def _train(spec: TrainSpec, order: Mapping[str, Any], shop: Workshop) -> None:
    scratch = shop.folder / SCRATCH
    write_json(scratch / "order.json", order)

    def hear(message: dict[str, Any]) -> None:
        if text := message.get("say"):
            log.info("train: %s", text)
        if text := message.get("warn"):
            log.warning("train: %s", text)
        if "step" in message:
            loss = message.get("loss")
            note = f"loss {loss:.3f}" if isinstance(loss, float) and math.isfinite(loss) else ""
            shop.progress(Tick(message["step"], message["total"], "steps", note))

    child.run(
        _command(spec, scratch / "order.json"),
        log=scratch / "train.log",
        hear=hear,
        what="training",
        relief="set a smaller batch_size or max_length, or gradient_checkpointing",
        environment=({"HF_HUB_OFFLINE": "1"} if order["base_folder"] else {})
        | tracking.surroundings(shop.home, order["about"]["settings"]["name"], shop.folder.name.rpartition("-")[2]),
    )


def _command(spec: TrainSpec, order: Path) -> list[str]:
    flags = {
        "num_processes": spec.processes,
        "num_machines": 1,
        "mixed_precision": "no",  # the base model's own numbers decide
        "dynamo_backend": "no",
        "num_cpu_threads_per_process": 1,
    }
    given = [word for flag, value in flags.items() for word in (f"--{flag}", str(value))]
    return [sys.executable, "-m", "accelerate.commands.launch", *given, "-m", "tasks.trainer", str(order)]
