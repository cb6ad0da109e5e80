"""Tables in terminals of any width: every word stays whole, or a row becomes lines; nothing is cut."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import IO

from rich.cells import cell_len
from rich.console import Console, ConsoleDimensions
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_ENDLESS = 10_000  # columns of a pipe
_LABEL = 14  # columns of a name, at least


class Output(Console):
    """A console that is as wide as its terminal, or as COLUMNS says; a pipe has room for any line."""

    def __init__(self, *, file: IO[str] | None = None, stderr: bool = False, highlight: bool = True) -> None:
        super().__init__(file=file, stderr=stderr, highlight=highlight)
        self._width = self._height = None  # rich keeps what COLUMNS and LINES were when the console was made

    @property
    def size(self) -> ConsoleDimensions:
        """Columns and lines."""
        seen = super().size
        return seen if self.is_terminal or os.environ.get("COLUMNS") else ConsoleDimensions(_ENDLESS, seen.height)

    @size.setter
    def size(self, new: tuple[int, int]) -> None:
        self._width, self._height = new


def put(console: Console, table: Table) -> None:
    """Print a table whose columns are as wide as their longest word at least; where they do not fit, a line a cell."""
    room = console.width
    shortest, longest = zip(*(_widths(console, column.header, *column.cells) for column in table.columns), strict=True)
    shortest = tuple(
        most if column.no_wrap else least for column, least, most in zip(table.columns, shortest, longest, strict=True)
    )
    between = Measurement.get(console, console.options.update(width=_ENDLESS), table).maximum - sum(longest)
    if sum(shortest) + between <= room:
        for column, wide in zip(table.columns, _shared(shortest, longest, room - between), strict=True):
            column.width, column.overflow = wide, "fold"
        console.print(table)
    else:
        _records(console, table)


def facts(console: Console, pairs: Sequence[tuple[str, object]], *, markup: bool = False) -> None:
    """Print names and values, one a line, the values below one another."""
    wide = max([_LABEL, *(cell_len(name) for name, _ in pairs)])
    for name, value in pairs:
        text = Text.from_markup(str(value)) if markup else Text(str(value))
        console.print(Text.assemble((name + " " * (wide - cell_len(name)), "dim"), " ", text), soft_wrap=True)


def _widths(console: Console, *cells: object) -> tuple[int, int]:
    """The longest word and the longest line of a column."""
    options = console.options.update(width=_ENDLESS)
    found = [Measurement.get(console, options, console.render_str(str(cell))) for cell in cells]
    return max(one.minimum for one in found), max(one.maximum for one in found)


def _shared(shortest: Sequence[int], longest: Sequence[int], room: int) -> list[int]:
    """Widths within the room: whoever has least gets what it lacks, until nothing is left."""
    wide = list(shortest)
    left = min(room, sum(longest)) - sum(wide)
    while left > 0:
        place = min((i for i, most in enumerate(longest) if wide[i] < most), key=lambda i: wide[i])
        wide[place] += 1
        left -= 1
    return wide


def _records(console: Console, table: Table) -> None:
    """Each row as lines of its own, a blank line between them."""
    if table.title:
        console.print(table.title, soft_wrap=True)
    columns = [(str(column.header), list(column.cells)) for column in table.columns]
    for number in range(table.row_count):
        if number:
            console.print()
        facts(console, list(_cells(columns, number)), markup=True)


def _cells(columns: Sequence[tuple[str, Sequence[object]]], number: int) -> Iterator[tuple[str, str]]:
    for header, cells in columns:
        for at, line in enumerate(str(cells[number]).splitlines()):
            yield header if not at else "", line
