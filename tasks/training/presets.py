"""What of a training's settings follows from others: presets by memory, a method's own defaults, what excludes what.

fill({"method": "full"})["learning_rate"]    2e-5
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

# for 7B parameters, 16 rows a step each; tests hold their estimates against the memory in their names
PRESETS: dict[str, dict[str, Any]] = {
    "8gb": {
        "method": "qlora",
        "rank": 16,
        "max_length": 1024,
        "batch_size": 1,
        "gradient_accumulation": 16,
        "gradient_checkpointing": True,
    },
    "24gb": {"method": "lora", "rank": 16, "max_length": 2048, "batch_size": 4, "gradient_accumulation": 4},
    "80gb": {"method": "lora", "rank": 64, "max_length": 4096, "batch_size": 8, "gradient_accumulation": 2},
}
# a tenth of LoRA's rate suits all weights (Schulman et al. 2025, "LoRA Without Regret"); 2e-5 is TRL's own
METHODS: dict[str, dict[str, Any]] = {"full": {"learning_rate": 2e-5}}
SHARDED = ("fsdp2", "zero3")
ADAPTER_ONLY = ("use_rslora", "use_dora", "modules_to_save")
HEADS = ("lm_head", "embed_out", "output_layer")


class Settings(Protocol):
    """What of a TrainSpec decides whether its values go together."""

    @property
    def method(self) -> str: ...
    @property
    def use_rslora(self) -> bool: ...
    @property
    def use_dora(self) -> bool: ...
    @property
    def modules_to_save(self) -> list[str]: ...
    @property
    def target_modules(self) -> str | list[str]: ...
    @property
    def processes(self) -> int: ...
    @property
    def nodes(self) -> int: ...
    @property
    def rendezvous(self) -> str | None: ...
    @property
    def strategy(self) -> str: ...
    @property
    def offload(self) -> bool: ...
    @property
    def eval_steps(self) -> int | None: ...
    @property
    def keep_best(self) -> bool: ...
    @property
    def patience(self) -> int | None: ...


def fill(given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values, with those of the preset and the method where none is given. An unknown name fills nothing."""
    filled = {**PRESETS.get(str(given.get("preset")), {}), **given}
    return {**METHODS.get(str(filled.get("method")), {}), **filled}


def conflict(spec: Settings) -> str | None:
    """Why these settings cannot go together, or None."""
    wrong = [name for name in ADAPTER_ONLY if getattr(spec, name)]
    if spec.method == "full" and wrong:
        return f'{", ".join(wrong)} with method = "full": these are for adapters'
    if isinstance(spec.target_modules, list) and (head := next(filter(_is_head, spec.target_modules), None)):
        return f"target_modules with {head!r}: TRL trains no low ranks of the head; modules_to_save trains it whole"
    if spec.method == "qlora" and spec.strategy in SHARDED:
        return (
            f'strategy = "{spec.strategy}" cannot share out a base in 4 bits: take "ddp" or "zero2", or method = "lora"'
        )
    if spec.offload and spec.strategy == "ddp":
        return 'offload needs strategy = "fsdp2", "zero2" or "zero3"'
    if spec.nodes > 1 and not spec.rendezvous:
        return 'nodes need rendezvous = "HOST:PORT": an address of the first node, and a port that is free there'
    if spec.processes % spec.nodes:
        return f"{spec.processes} processes cannot be shared out evenly to {spec.nodes} nodes"
    if (spec.keep_best or spec.patience) and not spec.eval_steps:
        return "keep_best and patience need eval_steps: how often to look at the validation loss"
    return None


def _is_head(module: str) -> bool:
    return module.rpartition(".")[2] in HEADS
