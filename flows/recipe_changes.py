"""What `--set` says of a recipe, put among its plain values before they are validated."""

from __future__ import annotations

import tomllib
from typing import Any

from storage.records import UsageError


def apply(content: dict[str, Any], change: str) -> None:
    """Put a change such as "train.rank=8" among a recipe's plain values. UsageError for what is no KEY=VALUE."""
    key, found, text = change.partition("=")
    if not found or not key:
        raise UsageError("--set", seen=change, expected="key=value, such as train.rank=8")
    *parents, last = key.strip().split(".")
    for part in parents:
        content = content.setdefault(part, {})
        if not isinstance(content, dict):
            raise UsageError(f"--set {change}", expected=f"{part} to be a table of the recipe")
    try:
        content[last] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        content[last] = text  # a bare word is a string
