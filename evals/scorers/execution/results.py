"""Whether a query gave what another may give: rows as a bag, in order where it is asked for, columns in any order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Cell = int | float | str | bool | None
Rows = Sequence[Sequence[Cell]]
_TOLERANCE = 1e-6
_PERMUTATIONS = 10_000


@dataclass(frozen=True, slots=True)
class Expected:
    """All results that a query may give: classes of rows one after the other, those of a class in any order.

    Rows of a class are equal by what the query sorts by. Of all rows `skip` are left out and `take` follow (None:
    the rest), so that a class which the cut divides may give any of its rows.
    """

    classes: Sequence[Rows]
    skip: int = 0
    take: int | None = None

    @property
    def size(self) -> int:
        """The number of rows of each of the results."""
        left = max(0, sum(map(len, self.classes)) - self.skip)
        return left if self.take is None else min(left, self.take)

    @property
    def torn(self) -> bool:
        """Whether the cut divides rows that are equal by what the query sorts by and not equal themselves."""
        begin = 0
        for kin in self.classes:
            end = begin + len(kin)
            count = min(end, self.skip + self.size) - max(begin, self.skip)
            if 0 < count < len(kin) and not all(_equal(kin[0], row) for row in kin):
                return True
            begin = end
        return False

    def rows(self) -> list[Sequence[Cell]]:
        """One of the results."""
        every = [row for rows in self.classes for row in rows]
        return every[self.skip : self.skip + self.size]

    def allows(self, rows: Rows) -> bool:
        """Whether these rows are one of the results. Numbers are equal within 1e-6 of their size."""
        if len(rows) != self.size:
            return False
        begin = taken = 0
        for kin in self.classes:
            end = begin + len(kin)
            count = min(end, self.skip + self.size) - max(begin, self.skip)
            if count > 0:
                mine = rows[taken : taken + count]
                if not (_bags(kin, mine) if count == len(kin) else _within(mine, kin)):
                    return False
                taken += count
            begin = end
        return True

    def column(self, place: int) -> Expected:
        """The results by one of their columns."""
        return Expected([[[row[place]] for row in kin] for kin in self.classes], self.skip, self.take)

    def equals(self, other: Expected) -> bool:
        """Whether the other has the same results."""
        if (len(self.classes), self.skip, self.take) != (len(other.classes), other.skip, other.take):
            return False
        return all(len(a) == len(b) and _bags(a, b) for a, b in zip(self.classes, other.classes, strict=True))


def bag(rows: Rows) -> Expected:
    """These rows in any order."""
    return Expected([rows])


def sequence(rows: Rows) -> Expected:
    """These rows in this order."""
    return Expected([[row] for row in rows])


def same(pairs: Sequence[tuple[Expected, Rows]]) -> bool:
    """Whether each of these rows is one of the results expected beside them, under one order of columns for all.

    Names of columns are no part of a result; a text never equals a number. One order of columns must do for all pairs:
    two columns that happen to be equal in one database must not be swapped in another. ValueError where more than
    10,000 orders would have to be tried.
    """
    if any(expected.size != len(rows) for expected, rows in pairs):
        return False
    widths = {len(row) for expected, rows in pairs for row in (*expected.rows(), *rows)}
    if not widths:
        return True
    if len(widths) > 1:
        return False
    return any(
        all(expected.allows([[row[i] for i in order] for row in rows]) for expected, rows in pairs)
        for order in _orders(pairs, widths.pop())
    )


def nothing(rows: Rows) -> bool:
    """No row, or rows of nothing but NULL and zero: what a query gives that found nothing."""
    return all(cell is None or cell == 0 for row in rows for cell in row)


def _bags(one: Rows, other: Rows) -> bool:
    return all(_equal(a, b) for a, b in zip(sorted(one, key=_row_key), sorted(other, key=_row_key), strict=True))


def _within(part: Rows, whole: Rows) -> bool:
    """Whether each row of the part is a row of its own of the whole."""
    left = list(whole)
    for row in part:
        place = next((i for i, other in enumerate(left) if _equal(row, other)), None)
        if place is None:
            return False
        del left[place]
    return True


def _equal(one: Sequence[Cell], other: Sequence[Cell]) -> bool:
    return len(one) == len(other) and all(_cells(a, b) for a, b in zip(one, other, strict=True))


def _cells(a: Cell, b: Cell) -> bool:
    if isinstance(a, int | float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    return a == b


def _row_key(row: Sequence[Cell]) -> tuple[object, ...]:
    # Numbers last and unrounded: two that differ by a rounding error decide the order of rows alike in all else.
    return (*(_key(c) if not isinstance(c, int | float) else (0, 0.0, "") for c in row), *(_key(c) for c in row))


def _key(cell: Cell) -> tuple[int, float, str]:
    if cell is None:
        return (0, 0.0, "")
    return (2, 0.0, cell) if isinstance(cell, str) else (1, cell, "")


def _orders(pairs: Sequence[tuple[Expected, Rows]], width: int) -> Iterator[tuple[int, ...]]:
    """Orders of the prediction's columns in which each column holds what the gold's does, the given one first."""
    fits = [[j for j in range(width) if _fits(pairs, i, j)] for i in range(width)]
    for tried, order in enumerate(arrangements([sorted(f, key=i.__ne__) for i, f in enumerate(fits)])):
        if tried >= _PERMUTATIONS:
            raise ValueError(f"{width} columns, too many of them alike")
        yield order


def _fits(pairs: Sequence[tuple[Expected, Rows]], gold: int, other: int) -> bool:
    return all(expected.column(gold).allows([[row[other]] for row in rows]) for expected, rows in pairs)


def arrangements(fits: Sequence[Sequence[int]], taken: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """All ways to give each place one of what fits it, nothing twice."""
    if len(taken) == len(fits):
        yield taken
        return
    for j in fits[len(taken)]:
        if j not in taken:
            yield from arrangements(fits, (*taken, j))
