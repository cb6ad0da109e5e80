"""Which base model is this? Its place on this machine and its identity, without loading it.

folder("recipes/demo_base")             the folder, or None for a model of a hub
identity("Qwen/Qwen2.5-7B-Instruct")    64 hex digits, part of the key of every step that uses it
tokenizer("Qwen/Qwen2.5-7B-Instruct")   its tokenizer.json, None if it is not on this machine
config("recipes/demo_base")             its config.json, {} if it is not on this machine
"""

from __future__ import annotations

import json
import os
import re
import struct
from pathlib import Path
from typing import Any

import tasks
from storage.artifacts import sha256
from storage.base_models import ABOUT, described
from storage.records import UsageError, digest

_HOUSE = Path(str(tasks.__file__)).resolve().parents[1]
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_moe_experts")
_SHAPING = {".json", ".safetensors", ".txt", ".model", ".jinja"}
_PLAIN = {"F32", "F16", "BF16"}
_LARGE = 1 << 30
_BLOCKS, _BLOCK = 64, 1 << 16


def folder(base_model: str) -> Path | None:
    """The local folder that `base_model` names, as given or beside the house; None for a hub's name.

    UsageError if it can only be a path and nothing is there, or if the folder holds no model.
    """
    given = Path(os.path.expanduser(base_model))
    for place in (given, _HOUSE / given):
        if place.is_dir():
            return _checked(place.resolve(), base_model)
    path_like = base_model.startswith((".", "/", "~")) or (_HOUSE / given.parts[0]).is_dir()
    if path_like or not _HUB_NAME.fullmatch(base_model):
        raise UsageError(
            f"base model {base_model!r} is not there",
            seen=f"no folder {given.absolute()}",
            expected="a folder with config.json and *.safetensors, or a hub's name such as Qwen/Qwen2.5-7B-Instruct",
            hint="set [train] base_model",
        )
    return None


def spelling(base_model: str) -> str:
    """How an adapter names its base: a folder of the house by its path in the house, all else as given.

    vLLM's adapter resolver asks that the adapter's word for its base and the server's `--model` are equal.
    """
    place = folder(base_model)
    if place is not None and place.is_relative_to(_HOUSE):
        return place.relative_to(_HOUSE).as_posix()
    return base_model


def title(base_model: str) -> str:
    """A base model's name for people: of an imported one its name, the file and the quantisation it came from."""
    place = Path(base_model)
    about = described(place) if place.is_absolute() and place.is_dir() else None
    if about is None:
        return base_model
    blocks = next((kind for kind in about["quantization"] if kind not in _PLAIN), None)
    made = f"dequantised from {blocks}" if blocks else "as stored"
    return f"{about['name']} ({about['file']}, {made})"


def identity(base_model: str, revision: str | None = None) -> str:
    """Digest of a base model.

    A folder is its files that shape a model: configuration, weights, tokenizer, templates. Of a
    weight file above 1 GiB the size, the header and 64 blocks spread over it are read, not all of
    it, so that a plan takes no minute; a change that misses every block goes unseen.
    A hub's model is its name and revision, whether or not it is downloaded yet: pin a commit as
    `revision` where the name alone may come to mean other weights.
    """
    place = folder(base_model)
    if place is None:
        return digest({"hub": base_model, "revision": revision or "main"})
    shaping = [path for path in sorted(place.iterdir()) if path.suffix in _SHAPING and path.name != ABOUT]
    return digest({path.name: fingerprint(path) for path in shaping})


def tokenizer(base_model: str, revision: str | None = None) -> Path | None:
    """The base model's tokenizer.json if it is on this machine, else None; nothing is downloaded."""
    place = folder(base_model)
    if place is not None:
        return file if (file := place / "tokenizer.json").exists() else None
    return _cached(base_model, "tokenizer.json", revision)


def config(base_model: str, revision: str | None = None) -> dict[str, Any]:
    """The base model's config.json, its text part's values over the whole's; {} if it is not on this machine."""
    if (found := place(base_model, revision)) is None or not (found / "config.json").exists():
        return {}
    try:
        told = json.loads((found / "config.json").read_bytes())
        return {**told, **(told.get("text_config") or {})}
    except (ValueError, TypeError):
        return {}


def has_experts(base_model: str, revision: str | None = None) -> bool:
    """Whether the base is a mixture of experts."""
    told = config(base_model, revision)
    return any(isinstance(told.get(name), int) and told[name] > 1 for name in _EXPERTS)


def place(base_model: str, revision: str | None = None) -> Path | None:
    """The folder with what of the base model is on this machine, weights or not; None if nothing is."""
    if (local := folder(base_model)) is not None:
        return local
    found = _cached(base_model, "config.json", revision)
    return found.parent if found else None


def snapshot(base_model: str, revision: str | None = None) -> Path:
    """The folder with the base model's files on this machine. UsageError if a hub's model is not downloaded."""
    found = place(base_model, revision)
    if found is None or not any(found.glob("*.safetensors")):
        raise UsageError(
            f"base model {base_model!r} is not on this machine",
            expected="its config.json, tokenizer and safetensors",
            hint=f"hf download {base_model}",
        )
    return found


def fingerprint(path: Path) -> str:
    """Digest of a file: of all its bytes, or above 1 GiB of its size, its header and 64 blocks of it."""
    size = path.stat().st_size
    if size <= _LARGE:
        return sha256(path)
    with path.open("rb") as file:
        header = file.read(struct.unpack("<Q", file.read(8))[0]) if path.suffix == ".safetensors" else b""
        blocks = []
        for index in range(_BLOCKS):
            file.seek(index * (size - _BLOCK) // (_BLOCKS - 1))
            blocks.append(digest(file.read(_BLOCK).hex()))
    return digest([size, digest(json.loads(header or b"{}")), blocks])


def _cached(base_model: str, file: str, revision: str | None) -> Path | None:
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    found = try_to_load_from_cache(base_model, file, revision=revision)
    return Path(found) if isinstance(found, str) else None


def _checked(place: Path, base_model: str) -> Path:
    for pattern in ("config.json", "*.safetensors"):
        if not any(place.glob(pattern)):
            raise UsageError(
                f"base model {base_model!r} cannot be used",
                seen=f"no {pattern} in {place}",
                expected="a folder with config.json and *.safetensors (pickled weights are not loaded)",
            )
    return place
