"""Whether two queries gave the same: rows as a bag, in order where order is asked for, columns in any order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

Cell = int | float | str | bool | None
Rows = Sequence[Sequence[Cell]]
_TOLERANCE = 1e-6
_PERMUTATIONS = 10_000


def same(pairs: Sequence[tuple[Rows, Rows, bool]]) -> bool:
    """Whether each pair of results (gold, prediction, whether in order) is the same under one order of columns.

    Names of columns are no part of a result. Numbers are equal within 1e-6 of their size; a text never equals a
    number. One order of columns must do for all pairs: two columns that happen to be equal in one database must
    not be swapped in another. ValueError where more than 10,000 orders would have to be tried.
    """
    if any(len(gold) != len(other) for gold, other, _ in pairs):
        return False
    widths = {len(row) for gold, other, _ in pairs for row in (*gold, *other)}
    if not widths:
        return True
    if len(widths) > 1:
        return False
    return any(_all_same(pairs, order) for order in _orders(pairs, widths.pop()))


def nothing(rows: Rows) -> bool:
    """No row, or rows of nothing but NULL and zero: what a query gives that found nothing."""
    return all(cell is None or cell == 0 for row in rows for cell in row)


def _all_same(pairs: Sequence[tuple[Rows, Rows, bool]], order: Sequence[int]) -> bool:
    return all(_same(gold, [[row[i] for i in order] for row in other], ordered) for gold, other, ordered in pairs)


def _same(gold: Rows, other: Rows, ordered: bool) -> bool:
    if not ordered:
        gold, other = sorted(gold, key=_row_key), sorted(other, key=_row_key)
    return all(_cells(a, b) for one, two in zip(gold, other, strict=True) for a, b in zip(one, two, strict=True))


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


def _orders(pairs: Sequence[tuple[Rows, Rows, bool]], width: int) -> Iterator[tuple[int, ...]]:
    """Orders of the prediction's columns in which each column holds what the gold's does, the given one first."""
    fits = [[j for j in range(width) if _fits(pairs, i, j)] for i in range(width)]
    for tried, order in enumerate(_choose([sorted(f, key=i.__ne__) for i, f in enumerate(fits)], ())):
        if tried >= _PERMUTATIONS:
            raise ValueError(f"{width} columns, too many of them alike")
        yield order


def _fits(pairs: Sequence[tuple[Rows, Rows, bool]], gold: int, other: int) -> bool:
    return all(
        _same([[row[gold]] for row in one], [[row[other]] for row in two], ordered) for one, two, ordered in pairs
    )


def _choose(fits: Sequence[Sequence[int]], taken: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    if len(taken) == len(fits):
        yield taken
        return
    for j in fits[len(taken)]:
        if j not in taken:
            yield from _choose(fits, (*taken, j))
