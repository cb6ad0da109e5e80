"""The parts of a source -> who stays and who goes: tables `kept` and `drops` of a DuckDB connection.

Rows in, a view `rows`: position, id, "group", split, same, problem, question, options, answer, file, line; beside
it lie the files that `sign` writes. Any kind of record can stand in it: what has no problem or no options leaves
these empty. Memory grows with the number of rows, not with their length.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from storage.cleaning import near, overlap
from storage.cleaning.run import run
from storage.cleaning.signs import bands, said
from storage.records import Question, normal_problem

_FOUND = {"later": pl.Int64, "earlier": pl.Int64, "similarity": pl.Float64}
_SIGNED = """
create or replace temp table signed as
select rank, bands, slots from read_parquet('{parts}/signs-*.parquet') join standing using (position)
where position not in (select position from fell)
"""
_PASSAGES = """
create or replace temp table signed as
select rank, bands, slots
from (from read_parquet('{parts}/passages-*.parquet') qualify row_number() over (partition by "group") = 1)
join (
  select "group", min(rank) as rank from standing where position not in (select position from fell) group by "group"
) using ("group")
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


def sign(questions: Sequence[tuple[int, Question]], rules: Rules, folder: Path, number: int) -> list[str]:
    """Write what a batch is compared by into `folder`; returns the digest of each question's words."""
    words = [said(q.problem, q.question, q.options) for _, q in questions]
    if rules.near < 1:
        keys, slots = bands([w.text for w in words], ["\n".join(w.options) for w in words])
        _write(folder / f"signs-{number:06}.parquet", pl.Series("position", [p for p, _ in questions]), keys, slots)
        problems = {q.group: q.problem for _, q in questions if q.problem.strip()}
        keys, slots = bands([normal_problem(problem) for problem in problems.values()], [""] * len(problems))
        _write(folder / f"passages-{number:06}.parquet", pl.Series("group", [*problems], pl.String), keys, slots)
    return [w.digest for w in words]


def clean(con: duckdb.DuckDBPyConnection, parts: Path, rules: Rules, against: Iterable[Question] = ()) -> None:
    """Make tables `kept` (position, split) and `drops` of the view `rows`, whose signs lie in `parts`.

    `against` are the questions that no row may repeat.
    """
    run(con, "1_standing")
    if overlap.tables(con, against):
        run(con, "2_against", overlap=rules.overlap, common=overlap.COMMON)
    run(con, "3_exact")
    if rules.near < 1:
        place = str(parts).replace("'", "''")
        # problems first: whoever repeats a question of one that leaves is no copy
        con.execute(_PASSAGES.format(parts=place)).fetchall()
        _fell(con, near.across(con, rules.near), "near-duplicate across splits", 's."group" = l."group"')
        con.execute(_SIGNED.format(parts=place)).fetchall()
        _fell(con, near.repeats(con, rules.near), "near-duplicate", "s.rank = l.rank")
    run(con, "5_kept")


def _fell(con: duckdb.DuckDBPyConnection, found: near.Found, reason: str, same: str) -> None:
    con.register("found", pl.DataFrame(found, _FOUND, orient="row"))
    con.execute(_FELL.format(reason=reason, same=same)).fetchall()
    con.unregister("found")


def _write(file: Path, names: pl.Series, keys: near.Keys, slots: near.Slots) -> None:
    # 64 min-hashes as one value: a list of so many numbers costs more than all the rest
    packed = pl.Series("slots", [row.tobytes() for row in slots], pl.Binary)
    pl.DataFrame([names, pl.Series("bands", keys), packed]).write_parquet(file)
