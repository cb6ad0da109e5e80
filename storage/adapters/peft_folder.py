"""A PEFT folder from anywhere, looked at before anything of it is kept or loaded.

look("somewhere/adapter")     its configuration and the shape of each tensor, or an error that names what is wrong

Safetensors only: a pickle runs code when it is read, so none is read. Nothing here imports torch or peft.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import orjson

from storage.adapters.peft_config import SERVABLE_RANKS, rank_of, unusable
from storage.records import PonensError, UsageError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# what of a folder belongs to an adapter: weights, configuration, tokenizer, template, where replies end
KEPT = (
    CONFIG, WEIGHTS, "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "tokenizer.model", "vocab.json", "merges.txt", "chat_template.jinja", "chat_template.json",
    "generation_config.json",
)  # fmt: skip
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.joblib", "*.npy", "*.npz")
_LARGEST = 16 << 30  # bytes of weights
_LARGEST_NOTE = 64 << 20  # bytes of any other file
_LARGEST_HEADER = 100 << 20  # bytes: the limit of the safetensors library itself
_PREFIX = "base_model.model."
_MATRIX = re.compile(r"(?P<module>.+)\.lora_(?P<which>[AB])(?:\.[^.]+)?\.(?P<kind>weight|bias)")
_EMBEDDING = re.compile(r"(?P<module>.+)\.lora_embedding_(?P<which>[AB])(?:\.[^.]+)?")
EXPERTS = re.compile(r"(^|\.)experts(\.base_layer)?$")  # all experts' matrices in one, as PEFT has them since 0.19
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True, slots=True)
class Peft:
    """A LoRA adapter: its configuration, and by module the shapes of A (rank, in) and B (out, rank).

    `embeddings` are the modules whose input is a word's number, `biased` those with a bias on B; `further` are the
    sizes of all other tensors, by name without PEFT's prefix.
    """

    config: Mapping[str, Any]
    matrices: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    embeddings: frozenset[str] = frozenset()
    biased: frozenset[str] = frozenset()
    further: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        """The largest rank of any module; of experts, each one's."""
        plain = [a[0] for module, (a, _) in self.matrices.items() if not EXPERTS.search(module)]
        return max(plain, default=int(self.config["r"]))


def look(folder: Path) -> Peft:
    """What a PEFT folder holds. UsageError, naming the file or tensor, if it is no LoRA adapter that can be served.

    Looked at: no pickles, no links, sizes, settings that something here can apply, the weights' header against the
    file's size, a matrix pair for each module with the rank that the configuration says, ranks that vLLM serves.
    """
    _files(folder)
    try:
        config: dict[str, Any] = orjson.loads((folder / CONFIG).read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise UsageError(f"{folder / CONFIG} cannot be read", seen=error, expected="PEFT's configuration") from None
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        seen = config.get("peft_type") if isinstance(config, dict) else type(config).__name__
        raise UsageError("this is no LoRA adapter", seen=f"peft_type {seen!r}", expected="'LORA'")
    if setting := unusable(config):
        raise UsageError(
            f"the adapter's {setting} is applied by nothing here",
            seen=f"{setting} = {str(config[setting])[:80]}",
            expected="low ranks, DoRA, biases, whole modules or tokens: what PEFT merges into its base",
            hint="serve it with the tool that trained it, or train again without it",
        )
    found = _sorted(config, _checked(folder / WEIGHTS))
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


def _sorted(config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> Peft:
    sides: dict[str, dict[str, tuple[int, ...]]] = {"A": {}, "B": {}}
    embeddings, biased, further = set(), set(), {}
    for full, shape in shapes.items():
        name = full.removeprefix(_PREFIX)
        linear, embedding = _MATRIX.fullmatch(name), _EMBEDDING.fullmatch(name)
        if not full.startswith(_PREFIX) or not (match := linear or embedding):
            further[name] = shape
        elif linear and linear["kind"] == "bias":
            biased.add(match["module"])
        else:
            sides[match["which"]][match["module"]] = shape
            embeddings |= {match["module"]} if embedding else set()
    odd = sorted(sides["A"].keys() ^ sides["B"].keys())
    if odd or not sides["A"]:
        raise UsageError(
            "the adapter's matrices do not come in pairs" if odd else "the adapter has no matrices",
            seen=odd[0] if odd else next(iter(shapes), "no tensor"),
            expected="base_model.model.….lora_A.weight with its lora_B.weight",
        )
    pairs = {module: (a, sides["B"][module]) for module, a in sides["A"].items()}
    return Peft(config, pairs, frozenset(embeddings), frozenset(biased), further)


def _ranks(adapter: Peft) -> None:
    for module, (a, b) in adapter.matrices.items():
        fused = EXPERTS.search(module)
        holder = module.removesuffix(".base_layer")
        named = [f"{holder}.gate_up_proj", f"{holder}.down_proj"] if fused else [module]
        own = [rank_of(adapter.config, name) for name in named]
        # the matrices of all experts lie in one: rank times their number
        right = any(a[0] == rank or (fused and a[0] % rank == 0) for rank in own) if a else False
        if len(a) != 2 or len(b) != 2 or a[0] != b[1] or not right:
            each = f"{own[0]} x experts" if fused else f"{own[0]}"
            raise UsageError(
                f"the matrices of {module} are not of the adapter's rank",
                seen=f"A {list(a)}, B {list(b)}",
                expected=f"A [{each}, in] and B [out, {each}]",
            )
    if adapter.rank > SERVABLE_RANKS[-1]:
        raise UsageError(
            "the adapter's rank cannot be served by vLLM",
            seen=adapter.rank,
            expected=f"at most {SERVABLE_RANKS[-1]}",
        )
