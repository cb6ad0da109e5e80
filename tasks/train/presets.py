"""What of a training's settings follows from others: presets by memory, a method's own defaults, what excludes what.

fill({"method": "full"})["learning_rate"]    2e-5
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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


def fill(given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values, with those of the preset and the method where none is given. An unknown name fills nothing."""
    filled = {**PRESETS.get(str(given.get("preset")), {}), **given}
    return {**METHODS.get(str(filled.get("method")), {}), **filled}
