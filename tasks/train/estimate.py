"""What a training will take, before anything is loaded: memory, steps, tokens, and time where it was measured before.

    memory(read(folder), spec, Pass(4 * 2048, 900, cuda=True), checkpointing=False)    bytes by part
    steps(lengths, spec)                                                               steps, passes, cells

Read are config.json, the headers of the safetensors files and the snapshot's rows; the tokenizer alone is loaded.
"""

from __future__ import annotations

import math
import os
import platform
import re
import shutil
import struct
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from storage.records import PonensError, digest
from tasks.train import packing
from tasks.train.spec import TrainSpec

# NF4 with double quantisation: 4 bits, 8 bits a block of 64, 32 bits a block of 256 of those (arXiv 2305.14314, 3)
_NF4 = (4 + 8 / 64 + 32 / (64 * 256)) / 8
# TRL's head scores this many tokens against this much of the vocabulary at a time
_TILE = (4096, 32768)
_GATE = re.compile(r"\.experts\.\d+\.(gate_proj|w1)\.")
TINY = 20_000_000  # parameters below which a pass costs more than its tokens do
_BUSY = 512
_SMALL_LOGITS = 256 << 20  # up to here a CPU holds them all (tasks.train.trainer)


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a model decides its memory: widths, layers, and each weight's name and dimensions."""

    hidden: int
    intermediate: int
    key_value: int
    layers: int
    vocabulary: int
    weights: Mapping[str, tuple[int, ...]]

    @property
    def parameters(self) -> int:
        return sum(math.prod(dims) for dims in self.weights.values())

    @property
    def linear(self) -> dict[str, tuple[int, ...]]:
        """The matrices of the layers: what "all-linear" adapts and 4 bits hold. Not embeddings, not the head."""
        return {
            name: dims
            for name, dims in self.weights.items()
            if len(dims) == 2 and not any(part in name for part in ("embed", "lm_head", "norm"))
        }


@dataclass(frozen=True, slots=True)
class Pass:
    """The largest forward pass on a device: tokens, padding included, those with a loss; and whether on a GPU."""

    cells: int
    taught: int
    cuda: bool


def shape(config: Mapping[str, Any], weights: Iterable[tuple[str, Sequence[int]]]) -> Shape:
    """A shape from a config.json's values and the names and dimensions of weights. PonensError for no decoder."""
    text = {**config, **config.get("text_config", {})}
    try:
        hidden, heads = int(text["hidden_size"]), int(text["num_attention_heads"])
        width = int(text.get("head_dim") or hidden // heads)
        return Shape(
            hidden=hidden,
            intermediate=int(text["intermediate_size"]),
            key_value=width * int(text.get("num_key_value_heads") or heads),
            layers=int(text["num_hidden_layers"]),
            vocabulary=int(text["vocab_size"]),
            weights={name: tuple(dims) for name, dims in weights},
        )
    except KeyError as missing:
        raise PonensError(
            "this model's memory cannot be estimated",
            seen=f"config.json without {missing} ({config.get('model_type', 'of no named family')})",
            expected="a decoder with hidden_size, intermediate_size, num_hidden_layers, vocab_size",
        ) from None


def read(folder: Path) -> Shape:
    """The shape of the model in a folder, from its config.json and the headers of its weights."""
    found = [item for file in sorted(folder.glob("*.safetensors")) for item in _header(file)]
    return shape(orjson.loads((folder / "config.json").read_bytes()), found)


def memory(shape: Shape, spec: TrainSpec, largest: Pass, *, checkpointing: bool) -> dict[str, int]:
    """Bytes by part at the peak of a step, on one device.

    Weights and optimizer: 16 bytes a trained parameter in mixed precision (Rajbhandari et al., arXiv 1910.02054, 3.1).
    Activations: what autograd keeps of a gated decoder layer, counted as Korthikanti et al. do (arXiv 2205.05198,
    4.1) without the attention matrix, which sdpa and FlashAttention do not keep, and with what adapters add; with
    checkpointing one input a layer, and one layer's at a time (same, 5). Shards are even shares.
    """
    cells, cuda = largest.cells, largest.cuda
    full, half = spec.method == "full", spec.dtype == "bfloat16" or (spec.dtype == "auto" and cuda)
    number = 2 if half and (not full or spec.dtype == "bfloat16") else 4
    trained = shape.parameters if full else adapter(shape, spec)
    linear = sum(math.prod(dims) for dims in shape.linear.values())
    held = _NF4 * linear if spec.method == "qlora" else number * linear
    weights = held + number * (shape.parameters - linear)
    if full and number == 4 and half:
        weights += 2 * linear  # autocast's copies
    moments = 2 if _eight_bits(spec, cuda) else 8
    own = number if full else 4
    layer = cells * _per_layer(shape, spec, 2 if half else 4)
    kept = shape.layers * cells * shape.hidden * (2 if half else 4) + layer if checkpointing else shape.layers * layer
    kept += (8 if full else 4) * cells * shape.hidden  # the last norm, in float32
    if spec.use_dora:
        kept += (1 if checkpointing else shape.layers) * 4 * linear / shape.layers
    share = 1 / spec.processes
    zero3, zero2 = spec.strategy in ("fsdp2", "zero3"), spec.strategy == "zero2"
    away = 0 if spec.offload else 1
    parts = {
        "weights": weights * (share * away if zero3 else 1),
        "adapter": 0 if full else 4 * trained * (share if zero3 else 1),
        "gradients": own * trained * (share if zero2 or zero3 else 1),
        "optimizer": moments * trained * (share * away if zero2 or zero3 else 1),
        "activations": kept,
        "logits": _logits(shape, largest),
    }
    whole = {name: round(value) for name, value in parts.items()}
    return {**whole, "total": sum(whole.values())}


def adapter(shape: Shape, spec: TrainSpec) -> int:
    """Parameters that an adapter trains: rank (in + out) a layer (arXiv 2106.09685, 4.1), its whole modules beside.

    An expert's gate and up projection lie in one matrix once they are loaded: PEFT gives the two together twice the
    rank, rank 2 (in + 2 out).
    """
    chosen = {
        name: dims
        for name, dims in shape.linear.items()
        if spec.target_modules == "all-linear" or _named(name, spec.target_modules)
    }
    low: int = sum(spec.rank * sum(dims) for dims in chosen.values())
    low += sum(2 * spec.rank * dims[0] for name, dims in chosen.items() if _GATE.search(name))
    lengths = sum(dims[0] for dims in chosen.values()) if spec.use_dora else 0
    whole = sum(math.prod(dims) for name, dims in shape.weights.items() if _named(name, spec.modules_to_save))
    return low + lengths + whole


def device() -> tuple[str, int | None]:
    """What would train here, and its bytes of memory: a GPU by its name, else the CPU. None if it does not say."""
    if tool := shutil.which("nvidia-smi"):
        query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
        try:
            said = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
            name, mebibytes = said.splitlines()[0].rsplit(",", 1)
            return name.strip(), int(mebibytes) << 20
        except (subprocess.SubprocessError, OSError, ValueError, IndexError):
            return "GPU", None
    return "CPU", os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def machine() -> str:
    """Which machine this is, without its name: times are compared on the same one only."""
    return digest(platform.node())[:12]


def speed(past: Iterable[Mapping[str, Any]], base: str, spec: TrainSpec) -> tuple[float, str] | None:
    """Tokens learnt a second, and which adapter's training showed it: of the same base, method and machine, else None.

    `past` are the adapter.json of earlier trainings, the latest last.
    """
    alike = ("method", "max_length", "processes")
    for about in reversed(list(past)):
        facts, settings = about.get("facts", {}), about.get("settings", {})
        here = facts.get("machine") == machine() and about.get("base_identity") == base and not about.get("parent")
        if here and all(settings.get(name) == getattr(spec, name) for name in alike) and facts.get("tokens_per_second"):
            return float(facts["tokens_per_second"]), str(about.get("adapter", "an earlier training"))
    return None


def at_once(parameters: int, *, cuda: bool) -> int | None:
    """Tokens after which a pass only takes memory: a CPU's cores are busy with few. None where more of them pay."""
    return None if cuda or parameters < TINY else _BUSY


def steps(lengths: Sequence[int], spec: TrainSpec, most: int | None = None) -> dict[str, int]:
    """Optimizer steps, forward passes a step on each device, and the cells of the largest pass.

    `most` is the tokens of a usual pass at most (`packing.unfold`); which rows a step takes does not hang on it.
    """
    rows, passes = spec.batch_size, spec.gradient_accumulation
    if spec.packing:
        rows, passes = packing.fold(lengths, rows, passes, spec.max_length)
    if most is not None:
        rows, passes = packing.unfold(lengths, rows, passes, most)
    longest = sorted(lengths, reverse=True)[:rows]
    lines = len(packing.lines(longest, longest[0])) if spec.packing else len(longest)
    every: int = rows * passes * spec.processes
    return {
        "steps": spec.max_steps or math.ceil(math.ceil(len(lengths) / every) * spec.epochs),
        "rows_a_step": every,
        "passes_a_step": passes,
        "cells": lines * longest[0],
    }


def needs_checkpointing(shape: Shape, spec: TrainSpec, largest: Pass, room: int) -> bool:
    """Whether the step fits `room` bytes only if activations are computed twice; a tenth is left for the rest."""
    return memory(shape, spec, largest, checkpointing=False)["total"] > 0.9 * room


def _per_layer(shape: Shape, spec: TrainSpec, number: int) -> float:
    """Bytes that a layer keeps of a token, for numbers of `number` bytes; norms compute in float32 always."""
    wide = 4 * shape.intermediate + 2 * shape.key_value
    if spec.method == "full":
        return number * wide + 32 * shape.hidden  # the norms' own gradients need their inputs once more
    if spec.use_dora:  # each matrix's output, and its scaled copies
        return number * (9.5 * shape.intermediate + 2 * shape.key_value) + (64 if number == 4 else 50) * shape.hidden
    dropped = (6 * shape.hidden + shape.intermediate) * (number + 2) if spec.dropout else 0  # inputs, masks
    kept: float = number * (wide + 7 * spec.rank) + 24 * shape.hidden + dropped
    return kept


def _logits(shape: Shape, largest: Pass) -> int:
    small = largest.taught * shape.vocabulary * 4
    if not largest.cuda and small <= _SMALL_LOGITS:
        return 3 * small  # logits, log-probabilities, gradient
    tokens, vocabulary = _TILE
    return 2 * 4 * min(largest.cells, tokens) * min(shape.vocabulary, vocabulary)


def _eight_bits(spec: TrainSpec, cuda: bool) -> bool:
    return "8bit" in spec.optimizer or (spec.optimizer == "auto" and spec.method == "qlora" and cuda)


def _named(weight: str, modules: Sequence[str]) -> bool:
    return any(part in modules for part in weight.split("."))


def _header(file: Path) -> list[tuple[str, tuple[int, ...]]]:
    """Names and dimensions in a safetensors file: 8 bytes of length, then JSON (the format's own description)."""
    with file.open("rb") as stream:
        header = orjson.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
    return [(name, tuple(told["shape"])) for name, told in header.items() if name != "__metadata__"]
