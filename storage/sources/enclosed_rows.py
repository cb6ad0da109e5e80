"""The rows that lie inside one object, where a file is no more than that.

    {"version": 1, "data": [{…}, {…}]}               the elements of its only list of objects, however deep
    {"train": […], "test": […]}                      of lists that are parts of one set
    {"example1": {…}, "example2": {…}}               its objects; each key is an `id`
    {"question": {"0": …, "1": …}, "answer": {…}}    a table by columns, as pandas and `datasets` write it
    {"columns": […], "data": [[…], …]}               a table by rows

What the objects around the list say in words is said of each row: an article, an instruction.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_DEPTH = 4
_SPLITS = frozenset(
    ("train", "training", "validation", "valid", "val", "dev", "development", "test", "testing", "eval")
)
_FEW = 2


def inside(value: dict[str, Any]) -> list[dict[str, Any]] | str:
    """The rows in an object, [] if there are none, or why they cannot be told."""
    lists = list(_lists(value, (), {}))
    if len(lists) == 1 or (lists and all(way[-1].lower() in _SPLITS for way, _, _ in lists)):
        return [
            {**{name: text for name, text in around.items() if name not in row}, **row}
            for _, rows, around in lists
            for row in rows
        ]
    if len(value) >= _FEW and all(isinstance(row, dict) for row in value.values()):
        return [{"id": name, **row} for name, row in value.items()]
    if lists:
        ways = ", ".join(f"{'.'.join(way)}[]" for way, _, _ in lists)
        one = ".".join(lists[0][0])
        return f"one object with several lists of rows: {ways}; map columns into one of them, such as {one}[].NAME"
    return []


def _lists(value: dict[str, Any], way: tuple[str, ...], around: dict[str, Any]) -> Iterator[tuple[Any, Any, Any]]:
    """(way, rows, what is said around them) of every list of objects that is in no other list."""
    said = {**around, **{name: cell for name, cell in value.items() if isinstance(cell, str) and cell.strip()}}
    for name, cell in value.items():
        if isinstance(cell, list) and cell and all(isinstance(row, dict) for row in cell):
            yield (*way, name), cell, said
        elif isinstance(cell, dict) and len(way) < _DEPTH:
            yield from _lists(cell, (*way, name), said)


def table(value: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The rows of a table that an object holds by columns or by rows; None if it holds none."""
    columns = list(value.values())
    if len(columns) < _FEW:
        return None
    names, data = value.get("columns"), value.get("data")
    if isinstance(names, list) and isinstance(data, list) and all(isinstance(row, list) for row in data):
        return [dict(zip(map(str, names), row, strict=False)) for row in data]
    if all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns) and not any(
        isinstance(cell, dict) for cell in columns[0]
    ):
        return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    if all(isinstance(column, dict) and column.keys() == columns[0].keys() for column in columns) and all(
        name.isdigit() for name in columns[0]
    ):
        return [{name: column[key] for name, column in value.items()} for key in columns[0]]
    return None
