"""What every tuning ends with: the adapter saved and checked, its adapter.json written last. Heavy."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from storage.adapters.folder import ABOUT, AdapterFolder
from storage.artifacts import write_json
from storage.records import PonensError
from tasks.models import vocabulary
from tasks.tokenizing import renderer as render
from tasks.train import checkpoints, estimate, full_model, history, loading, stopping, verify_adapter
from tasks.tune.order import FurtherOrder


def base(order: FurtherOrder, *, quantised: bool = True) -> Any:
    """The base, with rows for what the adapter brings along; of a base in 4 bits, unless `quantised`, the whole."""
    spec = order.spec if quantised else order.spec.model_copy(update={"method": "lora"})
    model = loading.load(order.base, spec)
    vocabulary.grow(model, AdapterFolder(order.adapter).rows_needed)
    return model


def save(
    trainer: Any,
    order: FurtherOrder,
    renderer: render.Renderer,
    probes: Sequence[str],
    stops: set[int],
    before: torch.Tensor,
    facts: Mapping[str, Any],
    start: float,
) -> None:
    """Leave a whole adapter in the order's folder. `before` are the probes' logits before the first step.

    PonensError if tuning changed none of them, or if what is saved is not what was tuned.
    """
    folder, tokenizer = order.folder, renderer.tokenizer
    apart = float((before - full_model.logits(trainer.model, tokenizer, list(probes))).abs().max())
    if not apart > 0:
        raise PonensError("tuning changed no logit of the supervised adapter", seen="change 0.0")
    try:
        changed = verify_adapter.save_and_check(
            trainer.model, tokenizer, probes, folder, order.spec, lambda quantised: base(order, quantised=quantised)
        )
    except (OSError, SafetensorError) as error:
        raise checkpoints.unwritable(Path(trainer.args.output_dir), error) from error
    state = trainer.state
    losses = [{"step": e["step"], "loss": e["loss"]} for e in state.log_history if "loss" in e]
    told = {
        **facts,
        "parent": order.about["parent"]["adapter"],
        "steps": state.global_step,
        "epochs": round(state.epoch, 4),
        "loss": losses,
        "loss_first": losses[0]["loss"],
        "loss_last": losses[-1]["loss"],
        "trainable": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        "canary": changed | {"changes_from_parent": apart},
        "peak_memory": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None,
        "seconds": round(time.monotonic() - start, 1),
        "device": str(trainer.args.device),
        "machine": estimate.machine(),
    }
    libraries = {name: version(name) for name in ("torch", "transformers", "trl", "peft", "accelerate")}
    about = order.about | {"rendering": renderer.rendering.dict()}
    about["inference"] = (about.get("inference") or {}) | {"stops": [tokenizer.decode([i]) for i in sorted(stops)]}
    stopping.note(folder, order.base, stops)
    rows = history.rows(state)
    write_json(folder / ABOUT, {**about, "facts": told, "history": rows, "libraries": libraries})
