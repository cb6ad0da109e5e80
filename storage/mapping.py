"""A row's cells under the names that a format knows, by a user's own columns.

cells({"ask": {"text": "Q"}}, {"prompt": "ask.text"})   {"prompt": "Q"}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storage.formats.base import Fault, kind
from storage.formats.turns import are_turns

Columns = Mapping[str, str]


def cells(value: Any, columns: Columns) -> dict[str, Any]:
    """The cells of a row. Fault if it is no object, or lacks a mapped column."""
    if isinstance(value, list) and are_turns(value):  # a row that is the dialogue itself
        value = {"messages" if "role" in value[0] else "conversations": value}
    if not isinstance(value, dict):
        raise Fault("line", f"not an object but {kind(value)}")
    return {name: _at(value, column) for name, column in columns.items()} if columns else value


def _at(row: dict[str, Any], column: str) -> Any:
    """The cell at a column's name, or at a way into nested ones such as "translation.en"."""
    value: Any = row
    if column in row:
        return row[column]
    for part in column.split("."):
        if not isinstance(value, dict) or part not in value:
            raise Fault(column, "missing field")
        value = value[part]
    return value
