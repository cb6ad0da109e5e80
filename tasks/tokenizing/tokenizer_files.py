"""What a tokenizer's files say of its tokens, read without loading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

_SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token")


@dataclass(frozen=True, slots=True)
class Told:
    """What a folder's files say of its tokens: the special ones by role, and all that are added, with their numbers."""

    special: Mapping[str, str]
    added: Mapping[str, int]


def tokens(folder: Path) -> Told:
    """What the tokenizer's files say; empty where they are not there."""
    told = {**_json(folder / "special_tokens_map.json"), **_json(folder / "tokenizer_config.json")}
    special = {role: _content(told[role]) for role in _SPECIAL if told.get(role)}
    added = _json(folder / "tokenizer.json").get("added_tokens") or []
    return Told(special, {str(one["content"]): int(one["id"]) for one in added})


def _content(token: Any) -> str:
    return str(token["content"] if isinstance(token, dict) else token)


def _json(file: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
