"""Near-duplicates: bands of min-hashes -> pairs worth a look -> pairs that say the same.

Reads the `Signs` files that `signs.py` made, and the tables `standing` and `rows`. DuckDB finds who shares a band,
numpy compares the min-hashes, and only the few pairs that pass have their texts compared. A text that says the same
as an earlier one, which itself stays, is found; the earlier one is never found for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import polars as pl

from storage.cleaning.alike import alike
from storage.cleaning.compare import Comparison, R, Texts
from storage.cleaning.signs import BANDS, SLOTS
from storage.cleaning.steps import SQL

CROWD = 32
_WIDTHS = (1, 2, 4)
_FETCH = 2_000
_COMPARED = 200_000
_TEXTS = """
select p.later, p.earlier, {later}, {earlier}
from pairs p join standing s on s.rank = p.later join standing t on t.rank = p.earlier
join rows a on a.position = s.position join rows b on b.position = t.position
"""
Keys = npt.NDArray[np.uint64]
Slots = npt.NDArray[np.uint16]
_Ranks = npt.NDArray[np.int64]
Found = list[tuple[int, int, float]]  # later, earlier, similarity


def repeats(con: duckdb.DuckDBPyConnection, comparison: Comparison[R], near: float) -> Found:
    """Rows of `signed` that say the same as an earlier one, in the order of the queue."""
    return _found(con, comparison, near, None)


def across(con: duckdb.DuckDBPyConnection, comparison: Comparison[R], near: float) -> Found:
    """Passages of `signed` that say the same as an earlier one on another side of the split."""
    splits = con.sql("select rank, split from standing order by rank").pl()
    return _found(con, comparison, near, splits["split"].cast(pl.Categorical).to_physical().to_numpy())


def _found(
    con: duckdb.DuckDBPyConnection, comparison: Comparison[R], near: float, sides: npt.NDArray[Any] | None
) -> Found:
    pairs = _pairs(con, near, sides)
    gone: set[int] = set()
    found = []
    for later, earlier, similarity in _alike(con, comparison, pairs, near, whole=sides is None):
        if later not in gone and earlier not in gone:
            gone.add(later)
            found.append((later, earlier, similarity))
    return found


def _pairs(con: duckdb.DuckDBPyConnection, near: float, sides: npt.NDArray[Any] | None) -> pl.DataFrame:
    """Pairs whose min-hashes are alike; one band after the other, so that memory holds one band's buckets."""
    ranks, slots = _slots(con)
    found = [pl.DataFrame(schema={"later": pl.Int64, "earlier": pl.Int64})]
    for place in range(1, BANDS + 1):
        waiting = "signed"
        for width in _WIDTHS:
            con.execute(f"create or replace temp view waiting as from {waiting}").fetchall()
            SQL.run(con, "4_pairs", place=place, width=width, crowd=CROWD)
            pairs = con.sql("from pairs").pl()
            if sides is not None:
                pairs = pairs.filter(sides[pairs["later"].to_numpy() - 1] != sides[pairs["earlier"].to_numpy() - 1])
            found.append(pairs.filter(_likely(ranks, slots, pairs, near)))
            waiting = f"crowd_{width}"
            [[crowd]] = con.execute(f"create or replace temp table {waiting} as from crowded").fetchall()
            if not crowd:
                break
    return pl.concat(found).unique().sort("later", "earlier")


def _slots(con: duckdb.DuckDBPyConnection) -> tuple[_Ranks, Slots]:
    """Ranks in order, and the min-hashes of each."""
    ranks = con.sql("select rank from signed order by rank").pl()["rank"].to_numpy()
    slots = np.empty((len(ranks), SLOTS), np.uint16)
    asked, row = con.execute("select slots from signed order by rank"), 0
    while batch := asked.fetchmany(_FETCH):
        packed = b"".join(one for (one,) in batch)
        slots[row : row + len(batch)] = np.frombuffer(packed, np.uint16).reshape(-1, SLOTS)
        row += len(batch)
    return ranks, slots


def _likely(ranks: _Ranks, slots: Slots, pairs: pl.DataFrame, near: float) -> pl.Series:
    """Whether a pair's share of equal min-hashes is within three standard errors of `near`."""
    least = SLOTS * near - 3 * (SLOTS * near * (1 - near)) ** 0.5
    later, earlier = (np.searchsorted(ranks, pairs[name].to_numpy()) for name in ("later", "earlier"))
    found = [
        np.count_nonzero(slots[later[start : start + _COMPARED]] == slots[earlier[start : start + _COMPARED]], axis=1)
        for start in range(0, len(later), _COMPARED)
    ]
    return pl.Series(np.concatenate([np.empty(0, np.int64), *found]) >= least)


def _alike(
    con: duckdb.DuckDBPyConnection, comparison: Comparison[R], pairs: pl.DataFrame, near: float, *, whole: bool
) -> Found:
    """The pairs whose texts say the same: whole rows, or their passages."""
    con.execute("drop table pairs").fetchall()
    con.register("pairs", pairs)
    later_s, earlier_s = (", ".join(f"{table}.{name}" for name in comparison.columns) for table in "ab")
    size = len(comparison.columns)
    found = []
    for later, earlier, *cells in _fetched(con.execute(_TEXTS.format(later=later_s, earlier=earlier_s))):
        one, other = comparison.texts(cells[:size]), comparison.texts(cells[size:])
        similarity = _likeness(one, other, near) if whole else alike(one.passage, other.passage, near)
        if similarity is not None:
            found.append((later, earlier, similarity))
    con.unregister("pairs")
    return sorted(found)


def _likeness(one: Texts, other: Texts, near: float) -> float | None:
    """The least similarity of their parts; None if one of them is not alike, or their keys say different things."""
    if one.key is not None and other.key is not None and one.key != other.key:
        return None
    least = 1.0
    for mine, theirs in zip(one.parts, other.parts, strict=True):
        if (similarity := alike(mine, theirs, near)) is None:
            return None
        least = min(least, similarity)
    return least


def _fetched(result: duckdb.DuckDBPyConnection) -> Iterator[Sequence[Any]]:
    while rows := result.fetchmany(_FETCH):
        yield from rows
