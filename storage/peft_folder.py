"""A PEFT folder from anywhere, looked at before anything of it is kept or loaded.

look("somewhere/adapter")     its configuration and the shape of each tensor, or an error that names what is wrong

Safetensors only: a pickle runs code when it is read, so none is read. Nothing here imports torch or peft.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import orjson

from storage.adapters import SERVABLE_RANKS
from storage.records import PonensError, UsageError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# what of a folder belongs to an adapter: weights, configuration, tokenizer, template
KEPT = (
    CONFIG, WEIGHTS, "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "tokenizer.model", "vocab.json", "merges.txt", "chat_template.jinja",
)  # fmt: skip
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.joblib", "*.npy", "*.npz")
_LARGEST = 16 << 30  # bytes of weights
_LARGEST_NOTE = 64 << 20  # bytes of any other file
_LARGEST_HEADER = 100 << 20  # bytes: the limit of the safetensors library itself
_MATRIX = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<which>[AB])(?:\.[^.]+)?\.weight")
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True, slots=True)
class Peft:
    """A LoRA adapter: its configuration, and by module the shapes of A (rank, in) and B (out, rank)."""

    config: Mapping[str, Any]
    matrices: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]

    @property
    def rank(self) -> int:
        """The largest rank of any module."""
        return max(a[0] for a, _ in self.matrices.values())


def look(folder: Path) -> Peft:
    """What a PEFT folder holds. UsageError, naming the file or tensor, if it is no LoRA adapter that can be served.

    Looked at: no pickles, no links, sizes, the weights' header against the file's size, a matrix pair for each
    module with the rank that the configuration says, ranks that vLLM serves.
    """
    _files(folder)
    try:
        config: dict[str, Any] = orjson.loads((folder / CONFIG).read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise UsageError(f"{folder / CONFIG} cannot be read", seen=error, expected="PEFT's configuration") from None
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        seen = config.get("peft_type") if isinstance(config, dict) else type(config).__name__
        raise UsageError("this is no LoRA adapter", seen=f"peft_type {seen!r}", expected="'LORA'")
    found = Peft(config, _pairs(_checked(folder / WEIGHTS)))
    _ranks(found)
    return found


def shapes_of(weights: Path) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor in a safetensors file, from its header. PonensError if it has none."""
    return {name: tuple(tensor["shape"]) for name, tensor in _header(weights)[0].items()}


def _files(folder: Path) -> None:
    if not folder.is_dir():
        raise UsageError("there is no such folder", seen=folder, expected=f"a folder with {CONFIG} and {WEIGHTS}")
    for path in sorted(folder.rglob("*")):
        if any(fnmatch(path.name.lower(), pattern) for pattern in _PICKLES):
            raise UsageError(
                f"{path.name} is a pickle: reading it would run the code in it",
                seen=path,
                expected=f"weights in {WEIGHTS}, and no pickle beside them",
                hint="save it with save_pretrained(…, safe_serialization=True), or take that file away",
            )
    for name in KEPT:
        path = folder / name
        if path.is_symlink():
            raise UsageError(f"{name} is a link", seen=path.readlink(), expected="a file of the folder itself")
        size = path.stat().st_size if path.is_file() else 0
        if size > (most := _LARGEST if name == WEIGHTS else _LARGEST_NOTE):
            raise UsageError(f"{name} is too large", seen=f"{size:,} bytes", expected=f"at most {most:,}")
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise UsageError(f"there is no {name} in {folder}", expected=f"a folder with {CONFIG} and {WEIGHTS}")


def _header(weights: Path) -> tuple[dict[str, Any], int]:
    """A safetensors file's header, and the bytes that follow it."""
    size = weights.stat().st_size
    try:
        with weights.open("rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            if length > min(_LARGEST_HEADER, size - 8):
                raise ValueError(f"a header of {length:,} bytes in a file of {size:,}")
            header: dict[str, Any] = orjson.loads(file.read(length))
        header.pop("__metadata__", None)
        return header, size - 8 - length
    except (ValueError, AttributeError, struct.error) as error:
        raise _torn(weights, error) from None


def _checked(weights: Path) -> dict[str, tuple[int, ...]]:
    """Shapes by name of tensors that lie one after the other and fill the file."""
    header, room = _header(weights)
    at = 0
    try:
        for name, tensor in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            start, end = tensor["data_offsets"]
            if start != at or end - start != math.prod(tensor["shape"]) * _BYTES[tensor["dtype"]]:
                raise ValueError(f"tensor {name!r}, {tensor['dtype']} {tensor['shape']}, at {start} to {end}")
            at = end
        if at != room:
            raise ValueError(f"{at:,} bytes of tensors in {room:,}")
        return {name: tuple(tensor["shape"]) for name, tensor in header.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise _torn(weights, error) from None


def _torn(weights: Path, error: Exception) -> PonensError:
    return PonensError(
        f"{weights} is no whole safetensors file",
        seen=error,
        expected="floating-point tensors, one after the other, that fill the file",
    )


def _pairs(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    sides: dict[str, dict[str, tuple[int, ...]]] = {"A": {}, "B": {}}
    for name, shape in shapes.items():
        if match := _MATRIX.fullmatch(name):
            sides[match["which"]][match["module"]] = shape
    odd = sorted(sides["A"].keys() ^ sides["B"].keys())
    if odd or not sides["A"]:
        raise UsageError(
            "the adapter's matrices do not come in pairs" if odd else "the adapter has no matrices",
            seen=odd[0] if odd else next(iter(shapes), "no tensor"),
            expected="base_model.model.….lora_A.weight with its lora_B.weight",
        )
    return {module: (a, sides["B"][module]) for module, a in sides["A"].items()}


def _ranks(adapter: Peft) -> None:
    said, patterns = adapter.config.get("r"), adapter.config.get("rank_pattern") or {}
    for module, (a, b) in adapter.matrices.items():
        own = next((r for p, r in patterns.items() if re.fullmatch(rf"(.*\.)?{p}", module)), said)
        if len(a) != 2 or len(b) != 2 or a[0] != b[1] or a[0] != own:
            raise UsageError(
                f"the matrices of {module} are not of the adapter's rank",
                seen=f"A {list(a)}, B {list(b)}",
                expected=f"A [{own}, in] and B [out, {own}]",
            )
    if adapter.rank > SERVABLE_RANKS[-1]:
        raise UsageError(
            "the adapter's rank cannot be served by vLLM",
            seen=adapter.rank,
            expected=f"at most {SERVABLE_RANKS[-1]}",
        )
