"""What the hub's `datasets` library writes beside a table: the names of classes that a column holds as numbers.

features(schema)({"answer": 1, "question": "…"})     {"answer": "B", "question": "…"}
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pyarrow as pa

Features = Callable[[dict[str, Any]], dict[str, Any]] | None


def features(schema: pa.Schema) -> Features:
    """What puts a row's classes by their names; None where a table has none. A number that is no class is absent."""
    classes = _classes((schema.metadata or {}).get(b"huggingface", b"{}"))
    if not classes:
        return None

    def named(row: dict[str, Any]) -> dict[str, Any]:
        for column, names in classes.items():
            if isinstance(place := row.get(column), int):
                row[column] = names[place] if 0 <= place < len(names) else None
        return {column: cell for column, cell in row.items() if cell is not None}

    return named


def _classes(written: bytes) -> dict[str, list[str]]:
    try:
        found = orjson.loads(written)["info"]["features"].items()
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return {}
    return {
        column: feature["names"]
        for column, feature in found
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and _are_names(feature.get("names"))
    }


def _are_names(names: object) -> bool:
    return isinstance(names, list) and all(isinstance(name, str) for name in names)
