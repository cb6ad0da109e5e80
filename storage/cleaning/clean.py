"""The parts of a source -> who stays and who goes: tables `kept` and `drops` of a DuckDB connection.

Rows in, a view `rows`: position, id, "group", split, same, asks, asked, answered, file, line, and what `compare.py`
reads of a record's type; beside it lie the files that `sign` writes. `same` and `asks` are digests of all words and of
what is asked, which `asked` has as it is; `answered` is whether there is anything to learn or to mark. Memory grows
with the number of rows, not with their length.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from storage.cleaning import near, overlap
from storage.cleaning.compare import Comparison, R
from storage.cleaning.signs import Said, bands
from storage.cleaning.steps import SQL
from storage.dialogues import Record
from storage.records import normal_problem
from storage.sqlfiles import quoted, word_for_word

_NAMES = {"group": pl.String, "position": pl.Int64}
_FOUND = {"later": pl.Int64, "earlier": pl.Int64, "similarity": pl.Float64}
_SIGNED = """
create or replace temp table signed as
select rank, bands, slots
from read_parquet('{parts}/signs-*.parquet', hive_partitioning = false) join standing using (position)
where position not in (select position from fell)
"""
_PASSAGES = """
create or replace temp table signed as
select rank, bands, slots
from (
  from read_parquet('{parts}/passages-*.parquet', hive_partitioning = false)
  qualify row_number() over (partition by "group" order by position) = 1
)
join (
  select "group", min(rank) as rank from standing where position not in (select position from fell) group by "group"
) using ("group")
"""
_LEFT_OUT = """
insert into fell (position, reason)
select position, reason from standing join left_out using (id)
"""
_FELL = """
insert into fell (position, reason, other_position, similarity)
select s.position, '{reason}', t.position, f.similarity
from found f join standing t on t.rank = f.earlier join standing l on l.rank = f.later join standing s on {same}
where s.position not in (select position from fell)
"""


@dataclass(frozen=True, slots=True)
class Rules:
    """From which similarity on a text repeats another (1: only the same words), and from which overlap on it leaks."""

    near: float = 0.95
    overlap: float = 0.8


RULES = Rules()


def sign(
    comparison: Comparison[R], records: Sequence[tuple[int, str, R]], rules: Rules, folder: Path, number: int
) -> list[Said]:
    """Write what a batch of (position, group, record) is compared by into `folder`; returns each record's words."""
    words = [comparison.said(record) for _, _, record in records]
    if rules.near < 1:
        keys, slots = bands([w.text for w in words], ["\n".join(w.facts) for w in words])
        _write(folder / f"signs-{number:06}.parquet", {"position": [at for at, _, _ in records]}, keys, slots)
        passages: dict[str, tuple[int, str]] = {}
        for position, group, record in records:
            if group not in passages and (passage := comparison.passage(record)).strip():
                passages[group] = (position, passage)
        keys, slots = bands([normal_problem(passage) for _, passage in passages.values()], [""] * len(passages))
        names: dict[str, list[Any]] = {"group": [*passages], "position": [at for at, _ in passages.values()]}
        _write(folder / f"passages-{number:06}.parquet", names, keys, slots)
    return words


def clean(
    con: duckdb.DuckDBPyConnection,
    parts: Path,
    comparison: Comparison[R],
    rules: Rules,
    against: Iterable[Record] = (),
    left_out: Mapping[str, str] | None = None,
) -> None:
    """Make tables `kept` (position, split) and `drops` of the view `rows`, whose signs lie in `parts`.

    `against` are the records of evaluation sets, of any type, that no row may repeat; `left_out` are reasons by the
    ids of records that go before all others.
    """
    SQL.run(con, "1_standing")
    if left_out:
        names = {"id": pl.String, "reason": pl.String}
        con.register("left_out", pl.DataFrame(list(left_out.items()), names, orient="row"))
        con.execute(_LEFT_OUT).fetchall()
        con.unregister("left_out")
    if overlap.tables(con, against):
        SQL.run(con, "2_against", overlap=rules.overlap, common=overlap.COMMON)
    SQL.run(con, "3_exact")
    if rules.near < 1:
        place = quoted(word_for_word(parts))
        # passages first: whoever repeats a row of one that leaves is no copy
        con.execute(_PASSAGES.format(parts=place)).fetchall()
        across = near.across(con, comparison, rules.near)
        _fell(con, across, "near-duplicate across splits", 's."group" = l."group"')
        con.execute(_SIGNED.format(parts=place)).fetchall()
        _fell(con, near.repeats(con, comparison, rules.near), "near-duplicate", "s.rank = l.rank")
    SQL.run(con, "5_kept")


def _fell(con: duckdb.DuckDBPyConnection, found: near.Found, reason: str, same: str) -> None:
    con.register("found", pl.DataFrame(found, _FOUND, orient="row"))
    con.execute(_FELL.format(reason=reason, same=same)).fetchall()
    con.unregister("found")


def _write(file: Path, names: dict[str, list[Any]], keys: near.Keys, slots: near.Slots) -> None:
    # 64 min-hashes as one value: a list of so many numbers costs more than all the rest
    packed = pl.Series("slots", [row.tobytes() for row in slots], pl.Binary)
    frame = pl.DataFrame(names, {name: _NAMES[name] for name in names})
    frame.with_columns(pl.Series("bands", keys), packed).write_parquet(file)
