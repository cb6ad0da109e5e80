"""tune: preferences + a supervised adapter -> the next version NAME/N of it, with that adapter as its parent.

    step(TuneSpec(), train_spec, "logic", preferences, adapter)

The work runs in a child process, as training does (`tasks.train.run`); its checkpoints outlive a kill.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storage.adapters.folder import AdapterFolder
from storage.records import Receipt, UsageError
from tasks.models import base_models
from tasks.runtime.step import Step, Workshop, of
from tasks.train import run
from tasks.train.spec import TrainSpec
from tasks.tune.order import TuneOrder
from tasks.tune.spec import TuneSpec

_SHAPELESS = {"save_steps", "gradient_checkpointing", "max_truncated_share", "long_prompts"}
OF_TRAIN = {"method", "dtype", "attn_implementation", "optimizer", "template", "system", "thinking"}
# PEFT keeps another start beside such adapters, which a second training would take for the base's
_CONVERTED = ("pissa", "olora", "corda", "loftq")


def step(spec: TuneSpec, train: TrainSpec, name: str, preferences: Receipt, adapter: Receipt, recipe: str = "") -> Step:
    """The step that makes the next version of adapter `name`; `recipe`, resolved, is what trackers are told of it.

    UsageError for a training that leaves no adapter to go on from, or that needs several processes.
    """
    check(train)
    base = base_models.identity(train.base_model, train.revision)
    settings = spec.model_dump(exclude=_SHAPELESS) | {
        "name": name,
        "base_model": base_models.spelling(train.base_model),
        "train": train.model_dump(include=OF_TRAIN),
    }
    return Step(
        name="tune",
        code=(__name__, "tasks.tune.tuner"),
        settings=settings,
        inputs={"preferences": of(preferences), "adapter": of(adapter), "base_model": base},
        work=lambda shop: run.work(_order(spec, train, base, preferences, adapter, shop), preferences, recipe, shop),
        shelf=f"adapters/{name}",
        numbered=True,
    )


def check(train: TrainSpec, table: str = "tune") -> None:
    """UsageError for a [train] that this table cannot go on from."""
    if train.method == "full":
        raise UsageError(
            f"[{table}] goes on from an adapter",
            seen='[train] method = "full", which leaves none',
            expected='[train] method = "lora" or "qlora"',
        )
    if train.processes > 1:
        raise UsageError(
            f"[{table}] works in one process",
            seen=f"[train] processes = {train.processes}",
            expected="1",
            hint="train the adapter first, then set processes = 1: training is found done",
        )


def _order(
    spec: TuneSpec, train: TrainSpec, base: str, preferences: Receipt, adapter: Receipt, shop: Workshop
) -> TuneOrder:
    source, parent = shop.home.root / preferences.artifact, shop.home.root / adapter.artifact
    about = AdapterFolder(parent).about
    check_start(adapter, AdapterFolder(parent).config)
    return TuneOrder(
        spec=spec.training(train).model_copy(update={"base_model": base_models.spelling(train.base_model)}),
        tune=spec,
        base_folder=str(base_models.folder(train.base_model) or ""),
        train=source / "train.parquet",
        valid=source / "valid.parquet",
        folder=shop.folder,
        adapter=parent,
        about={
            "base_model": base_models.spelling(train.base_model),
            "revision": train.revision,
            "base_identity": base,
            "snapshot": about.get("snapshot"),
            "preferences": preferences.digest,
            "parent": {"adapter": adapter.artifact.removeprefix("adapters/"), "digest": adapter.digest},
            "prompt": about.get("prompt"),
            "settings": {**about["settings"], "tune": spec.model_dump()},
            "inference": about.get("inference"),
        },
    )


def check_start(adapter: Receipt, config: Mapping[str, Any]) -> None:
    """UsageError for an adapter whose start changed the base under it."""
    start = str(config.get("init_lora_weights", "")).lower()
    if start.startswith(_CONVERTED):
        raise UsageError(
            f"adapter {adapter.artifact} cannot be tuned",
            seen=f"init_lora_weights = {start!r}, which changes the base under it",
            expected="a plain LoRA",
            hint="convert it with PEFT's path_initial_model_for_weight_conversion first",
        )
