"""Adapter folders and a base to fit them, written byte by byte: no torch."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from storage.adapters import versions as adapters
from storage.adapters.versions import Adapter
from storage.artifacts import publish, write_json
from storage.home import Home

LAYER = "model.layers.0.self_attn.q_proj"


def safetensors(file: Path, shapes: Mapping[str, tuple[int, ...]], fill: bytes = b"\x00\x00\x80\x3f") -> Path:
    """A safetensors file of float32 ones."""
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + fill * (at // 4))
    return file


def base(folder: Path, width: int = 4) -> Path:
    """What passes for a base model until it is loaded: one layer of `width` by `width`."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    safetensors(folder / "model.safetensors", {f"{LAYER}.weight": (width, width)})
    return folder


def peft(folder: Path, base: Path | str = "me/base", rank: int = 8, width: int = 4, **config: Any) -> Path:
    """A PEFT folder with one pair of matrices."""
    folder.mkdir(parents=True, exist_ok=True)
    shapes = {
        f"base_model.model.{LAYER}.lora_A.weight": (rank, width),
        f"base_model.model.{LAYER}.lora_B.weight": (width, rank),
    }
    safetensors(folder / "adapter_model.safetensors", shapes)
    settings = {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": 16,
        "target_modules": ["q_proj"],
        "task_type": "CAUSAL_LM",
    }
    write_json(folder / "adapter_config.json", settings | {"base_model_name_or_path": str(base)} | config)
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    return folder


def made(
    home: Home, name: str = "logic", *, digest: str = "i" * 64, notes: Sequence[str] = (), **about: Any
) -> Adapter:
    """The next version of an adapter, as training leaves it, with empty files of the names `notes` beside."""
    work = peft(home.root / "work" / "one", about.get("base_model", "me/base"))
    for note in notes:
        (work / note).write_text("{}")
    facts = {"steps": 3, "loss_first": 2.0, "loss_last": 0.5, "valid_loss": 0.7} | about.pop("facts", {})
    told = {"base_model": "me/base", "settings": {"method": "lora", "rank": 8}, "snapshot": "abc", "prompt": "choice/2"}
    write_json(work / "adapter.json", {**told, **about, "facts": facts})
    at = {"made_at": "2026-11-22T08:00:00+00:00"}
    artifact = publish(work, f"adapters/{name}", home, identity=digest, numbered=True, about=at).artifact
    return adapters.resolve(home, artifact.removeprefix("adapters/"))


def judged(home: Home, adapter: Adapter, accuracy: float = 0.9, verdict: str = "better") -> None:
    """An evaluation's receipt that names the adapter."""
    side = {"ci95": [0.1, 0.3], "unreadable": 0.25}
    facts = {
        "questions": 40, "votes": 5, "engine": "vllm", "adapter_name": str(adapter), "others": {},
        "base": side | {"accuracy": 0.2}, "adapter": side | {"accuracy": accuracy},
        "paired": {"verdict": verdict, "reason": "p < 0.05"},
    }  # fmt: skip
    receipt = {"made_at": "2026-11-22T09:00:00+00:00", "artifact": "artifacts/evaluations/x", "facts": facts}
    write_json(home.receipt("evaluate", f"{adapter.name}{adapter.number}"), receipt)


def reported(home: Home, adapter: Adapter) -> None:
    """A report on the adapter."""
    write_json(home.root / "artifacts" / "reports" / "r1" / "report.json", {"adapter": str(adapter)})
