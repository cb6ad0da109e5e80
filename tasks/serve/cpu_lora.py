"""vLLM's worker extension on a CPU: requests of the base stay the base's beside those of adapters.

vLLM marks a token of no adapter with index -1. Its CPU kernel takes the matrices by that index, so -1 is the last
slot: if an adapter lies there, the base answers with its weights. Here what such tokens got of the A matrices is
set to nought, and B times nought is nought. Adapters come and go in a server, so no slot can be promised to stay empty.

Imported by vLLM's worker process alone (`--worker-extension-cls tasks.serve.cpu_lora.BaseApart`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class BaseApart:
    """Adds nothing to the worker; to import its module is what counts."""


def masked(shrink: Callable[..., None]) -> Callable[..., None]:
    """`bgmv_shrink(inputs, a_weights, output, index of each token, scaling)` with nought where the index is -1."""

    def apart(inputs: Any, weights: Any, output: Any, indices: Any, scaling: float = 1.0) -> None:
        shrink(inputs, weights, output, indices, scaling)
        output.masked_fill_((indices < 0).unsqueeze(-1), 0)

    return apart


def _mend() -> None:
    from vllm.lora.ops.torch_ops import lora_ops
    from vllm.lora.punica_wrapper import punica_cpu

    # the prefill's kernel calls the first by its module, the decode's was imported by name
    lora_ops.bgmv_shrink = punica_cpu.bgmv_shrink = masked(lora_ops.bgmv_shrink)


_mend()
