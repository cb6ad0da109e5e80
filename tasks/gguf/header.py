"""What a GGUF file says of itself, and whether a base model can be made of it. Reads no weights.

A file that cannot be one is a UsageError that says why: cut off, in parts, an adapter, or no text model.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.records import UsageError

_NO_TEXT = frozenset(("clip", "bert", "nomic-bert", "jina-bert-v2", "t5", "t5encoder", "wavtokenizer-dec", "whisper"))


@dataclass(frozen=True, slots=True)
class Header:
    """A file's metadata, without its long arrays; tensors counted by how they are stored; parameters."""

    metadata: dict[str, Any]
    quantization: dict[str, int]
    parameters: int

    @property
    def architecture(self) -> str:
        return str(self.metadata["general.architecture"])

    def get(self, key: str) -> Any:
        """A value by its key, "{arch}" standing for the architecture; None if the file does not have it."""
        return self.metadata.get(key.format(arch=self.architecture))


def read(file: Path) -> Header:
    """The header of `file`. UsageError if no base model can be made of it."""
    reader = _opened(file)
    metadata = {name: field.contents() for name, field in reader.fields.items() if not _long(name)}
    _check(file, metadata, {tensor.name for tensor in reader.tensors})
    counts = Counter(tensor.tensor_type.name for tensor in reader.tensors)
    return Header(metadata, dict(counts.most_common()), sum(int(tensor.n_elements) for tensor in reader.tensors))


def _long(name: str) -> bool:
    return name in (
        "tokenizer.ggml.tokens",
        "tokenizer.ggml.scores",
        "tokenizer.ggml.token_type",
        "tokenizer.ggml.merges",
    )


def _opened(file: Path) -> Any:
    from gguf import GGUFReader

    try:
        with file.open("rb") as opened:
            magic = opened.read(4)
    except OSError as error:
        raise UsageError(f"{file} cannot be read", seen=error.strerror or error, expected="a GGUF file") from None
    if magic != b"GGUF":
        raise UsageError(f"{file} is no GGUF file", seen=f"it begins with {magic!r}", expected="b'GGUF'")
    try:
        return GGUFReader(str(file))
    except Exception as error:  # the library indexes into what is not there: any kind of exception
        raise UsageError(
            f"{file} is cut off or damaged",
            seen=f"{file.stat().st_size:,} bytes; {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            expected="a whole GGUF file",
            hint="fetch it again",
        ) from None


def _check(file: Path, metadata: dict[str, Any], tensors: set[str]) -> None:
    architecture = metadata.get("general.architecture")
    kind = metadata.get("general.type", "model")
    parts = metadata.get("split.count") or 1
    if parts > 1:
        raise UsageError(
            f"{file} is one of {parts} parts",
            expected="the whole model in one file",
            hint="join them with llama.cpp's `llama-gguf-split --merge FIRST OUT`",
        )
    if kind != "model" or architecture is None or architecture in _NO_TEXT:
        raise UsageError(
            f"{file} is no language model that writes text",
            seen=f"general.type {kind!r}, general.architecture {architecture!r}",
            expected="type 'model' and an architecture such as llama, qwen2, qwen3, gemma3",
            hint="a LoRA is brought in with `ponens adapters import`, from its PEFT folder"
            if kind == "adapter"
            else "",
        )
    if "token_embd.weight" not in tensors or "tokenizer.ggml.model" not in metadata:
        raise UsageError(
            f"{file} lacks a part of a language model",
            seen=f"{len(tensors)} tensors, {'a' if 'tokenizer.ggml.model' in metadata else 'no'} tokenizer",
            expected="the tensor token_embd.weight and a tokenizer",
        )
