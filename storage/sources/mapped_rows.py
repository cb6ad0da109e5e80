"""Cells under the names that formats know, row by row: containers, one object's inside and a user's columns in one.

sourced("a.json", rows("a.json", path), {"question": "stem"}, sniff)     Row(1, {"question": "…"}), Rejected(…), …
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from storage.records import Rejected
from storage.sources.enclosed_rows import inside, table
from storage.sources.formats.base import At, Cells, Fault
from storage.sources.mapping import Columns, cells
from storage.sources.rows import Row

_DEPTH = 3  # objects in objects


def sourced(
    name: str, items: Iterator[Row | Rejected], columns: Columns, fits: Callable[[Cells], bool]
) -> Iterator[Row | Rejected]:
    """The rows of a file in order, each a dict. A file that is one object is a row if it `fits`, else what is in it."""
    for item in items:
        if isinstance(item, Rejected) or (not columns and not item.whole and isinstance(item.value, dict)):
            yield item  # as most are
        elif item.whole:
            yield from _opened(item, name, columns, fits, _DEPTH)
        else:
            yield from _cells(item, name, columns)


def _cells(item: Row, name: str, columns: Columns) -> Iterator[Row | Rejected]:
    try:
        for row in cells(item.value, columns):
            yield Row(item.line, row)
    except Fault as fault:
        yield At(name, item.line).reject(fault)


def _opened(
    item: Row, name: str, columns: Columns, fits: Callable[[Cells], bool], depth: int
) -> Iterator[Row | Rejected]:
    if by_columns := table(item.value):
        found = [row for n, cell in enumerate(by_columns, start=1) for row in _cells(Row(n, cell), name, columns)]
        if isinstance(found[0], Row) and fits(found[0].value):
            yield from found
            return
    found = list(_cells(item, name, columns))
    if depth == 0 or any(isinstance(row, Row) and fits(row.value) for row in found):
        yield from found
        return
    within = inside(item.value)
    if isinstance(within, str) and not columns:
        yield Rejected(name, item.line, "file", within)
        return
    if isinstance(within, str) or not within:
        yield from found
        return
    for number, row in enumerate(within, start=1):
        yield from _opened(Row(number, row), name, columns, fits, depth - 1 if _holds_rows(row) else 0)


def _holds_rows(row: dict[str, Any]) -> bool:
    return not isinstance(found := inside(row), str) and bool(found)
