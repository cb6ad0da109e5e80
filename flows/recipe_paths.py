"""Paths in a recipe: which of its settings are some, and what they count from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from storage.remote import is_url
from tasks.adapters.promote import SPLIT

PATHS = (
    ("evaluate", "databases_at"),
    ("evaluate", "scorer"),
    ("parse", "path"),
    ("parse", "against"),
    ("parse", "corrections"),
    ("promote", "gate"),
    ("reeval", "sets"),
    ("prompt", "few_shot"),
    ("prompt", "file"),
    ("reason", "price_file"),
)


def anchor(content: dict[str, Any], folder: Path) -> None:
    """Have the paths of a recipe's tables count from this folder."""

    def placed(path: str) -> str:
        return path if is_url(path) else os.path.normpath(folder / path)

    for table in ("train", "evaluate"):
        part = content.get(table)
        model = part.get("base_model") if isinstance(part, dict) else None
        if isinstance(part, dict) and isinstance(model, str) and model.lower().endswith(".gguf"):
            part["base_model"] = placed(os.path.expanduser(model))
    for table, key in PATHS:
        part = content.get(table)
        value = part.get(key) if isinstance(part, dict) else None
        if isinstance(part, dict) and value and (table, value) != ("promote", SPLIT):
            if isinstance(value, str):
                part[key] = placed(value)
            elif isinstance(value, list):
                part[key] = [placed(one) if isinstance(one, str) else one for one in value]
