"""train: snapshot + base model -> LoRA adapter NAME/N (a PEFT folder, and adapter.json for people).

    step(TrainSpec(base_model="recipes/demo_base"), "logic", snapshot, home)

The work runs in a child process, `accelerate launch -m tasks.train.trainer_main`: memory is given back, several
devices are a setting, and a kill is clean. Its checkpoints stay in the work folder until the adapter
is whole, so the same command goes on from the newest of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from prompts.rendering import shipped
from storage.adapters import versions as registry
from storage.adapters.folder import ABOUT
from storage.adapters.peft_config import SERVABLE_RANKS
from storage.adapters.versions import check_name
from storage.artifacts import read_manifest
from storage.devices import held
from storage.home import Home
from storage.records import Receipt, UsageError, digest
from storage.tables.examples import read
from tasks.models import base_models
from tasks.runtime.step import Step, Workshop, of
from tasks.tokenizing import encoding
from tasks.tokenizing import renderer as render
from tasks.tokenizing.masks import Teaching
from tasks.train import checks, run
from tasks.train import estimate as sizes
from tasks.train.order import TrainOrder
from tasks.train.spec import TrainSpec

# of the spec, what leaves the adapter as it is
_SHAPELESS = {
    "preset", "save_steps", "gradient_checkpointing", "max_truncated_share", "long_prompts", "packing", "offload",
    "report_to", "nodes", "rendezvous",
}  # fmt: skip


def step(spec: TrainSpec, name: str, snapshot: Receipt, recipe: str = "") -> Step:
    """The step that makes the next version of adapter `name`; `recipe`, resolved, is what trackers are told of it.

    UsageError, before anything is loaded, for a name or rank that cannot be served, or a base model that is not there.
    """
    check_name(name)
    if spec.method != "full" and spec.rank > SERVABLE_RANKS[-1]:
        raise UsageError(
            "[train] rank cannot be served by vLLM",
            seen=spec.rank,
            expected=f"at most {SERVABLE_RANKS[-1]}",
        )
    settings = spec.model_dump(exclude=_SHAPELESS) | {
        "name": name,
        "alpha": spec.lora_alpha,
        "base_model": base_models.spelling(spec.base_model),
        "template_text": None if spec.template == "own" else digest(shipped(spec.template).text),
    }
    base = base_models.identity(spec.base_model, spec.revision)
    return Step(
        name="train",
        code=(__name__, "tasks.train.trainer_main"),
        settings=settings,
        inputs={"snapshot": of(snapshot), "base_model": base},
        work=lambda shop: run.work(_order(spec, settings, base, snapshot, shop), snapshot, recipe, shop),
        shelf=f"adapters/{name}",
        numbered=True,
    )


def check(spec: TrainSpec) -> None:
    """UsageError for what is known to be wrong with a training over its base model, which is looked at and not loaded.

    Everything that is (`tasks.train.checks.problems`) in one error, the first as its own.
    """
    if found := checks.problems(spec):
        first, further = found[0], [str(one.thing) for one in found[1:]]
        raise UsageError(
            str(first.thing),
            seen=first.seen,
            expected=first.expected,
            hint="; ".join([*([first.hint] if first.hint else []), *(f"then: {one}" for one in further)]),
        )


def join(spec: TrainSpec, home: Home, key: str, node: int, patience: Callable[[], None]) -> bool:
    """Take part, as this node, in the training of this key that the first node does in the same home.

    Calls `patience`, which waits or raises, until the first node has left its order. False if it trained meanwhile.
    PonensError as the training itself. The adapter is the first node's to save.
    """
    folder = home.work("train", key)
    order = folder / run.SCRATCH / run.ORDER
    while not order.exists():
        patience()
    if (folder / ABOUT).exists():
        return False
    with held(spec.processes // spec.nodes, f"node {node} of training {key[:8]}") as devices:
        told = TrainOrder.model_validate_json(order.read_bytes())
        run.launch(told, lambda tick: None, devices, node=node)
    return True


def estimate(spec: TrainSpec, home: Home, snapshot: Receipt) -> dict[str, Any]:
    """What training would take; only the tokenizer is loaded. UsageError if the base is not on this machine."""
    place = base_models.snapshot(spec.base_model, spec.revision)
    rows = read(home.root / snapshot.artifact / "train.parquet")
    renderer = render.fit(render.load(str(place), spec.revision), spec.wish)
    teaching, leave_out = Teaching(spec.loss, spec.learn_thinking), spec.long_prompts == "leave_out"
    encoded = encoding.encode(rows, renderer, spec.max_length, teaching, leave_out=leave_out)
    lengths = [len(ids) for ids in encoded.ids]
    shape, (device, room) = sizes.read(place), sizes.device()
    told = sizes.steps(lengths, spec, sizes.at_once(shape.parameters, cuda=device != "CPU"))
    cells = told.pop("cells")
    largest = sizes.Pass(cells, math.ceil(cells * encoded.trained / sum(lengths)), device != "CPU")
    twice = spec.gradient_checkpointing
    if twice is None:
        twice = room is not None and sizes.needs_checkpointing(shape, spec, largest, room)
    memory = sizes.memory(shape, spec, largest, checkpointing=twice)
    learnt = round(encoded.trained * told["steps"] * told["rows_a_step"] / len(lengths))
    earlier = [f"{name}/{number}" for name in registry.names(home) for number in registry.versions(home, name)]
    past = [registry.about(registry.resolve(home, reference)) for reference in earlier]
    known = sizes.speed(past, base_models.identity(spec.base_model, spec.revision), spec)
    return {
        "base_model": base_models.spelling(spec.base_model),
        "method": spec.method,
        "device": device,
        "room": room,
        "fits": None if room is None else memory["total"] <= room,
        "memory": memory,
        "parameters": shape.parameters,
        "trainable": shape.parameters if spec.method == "full" else sizes.adapter(shape, spec),
        "gradient_checkpointing": twice,
        **told,
        "rows": len(lengths),
        "truncated": encoded.truncated,
        "left_out": encoded.left_out,
        "tokens": sum(lengths),
        "trained_tokens": learnt,
        "seconds": round(learnt / known[0]) if known else None,
        "measured_by": known[1] if known else None,
    }


def _order(spec: TrainSpec, settings: Mapping[str, Any], base: str, snapshot: Receipt, shop: Workshop) -> TrainOrder:
    source = shop.home.root / snapshot.artifact
    told = read_manifest(source).get("facts", {})
    return TrainOrder(
        spec=spec.model_copy(update={"base_model": settings["base_model"]}),
        base_folder=str(base_models.folder(spec.base_model) or ""),
        train=source / "train.parquet",
        valid=source / "valid.parquet",
        folder=shop.folder,
        about={
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
    )
