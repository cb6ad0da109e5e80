"""Snapshots: immutable sets of examples to train on, built by DuckDB from parquet parts.

    train.parquet, valid.parquet   id, question, group, split, prompt, completion (chat messages)
    examples.parquet               all of them with the request each came from, for the warehouse
    drops.parquet                  question, reason: what did not become an example, and why

A snapshot's identity is its examples, not its files: they are sorted, so neither the order in which
rationales arrived nor a kill on the way changes it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from storage.records import PonensError, Question

EXAMPLES, DROPS = "examples.parquet", "drops.parquet"
_RENDERED: dict[str, Any] = {
    "question": pl.String,
    "prompt": pl.List(pl.Struct({"role": pl.String, "content": pl.String})),
    "answer_line": pl.String,
}
_RENDERED_EMPTY = pl.DataFrame(schema=_RENDERED)  # so that the view has its columns where nothing is rendered
_BATCH = 5_000
MEMORY = "600MB"  # what DuckDB may take before it spills to the folder that the snapshot is made in

_WANTED = """
select problem, question, options, answer, source_id, file, line, split
from questions where answer is not null and id in (select question from rationales where kept)
"""
# Every kept rationale with its question, and the first thing that keeps it out, if anything does.
_JUDGED = """
create temp table judged as
select r.question, r.sample, r.request, q."group", q.split, p.prompt,
  [{'role': 'assistant', 'content': if($bare, p.answer_line, trim(r.text, e' \\t\\r\\n'))}] as completion,
  case
    when q.id is null then 'unknown question'
    when q.split = 'test' then 'test question'
    when q.answer is null then 'no key'
    when r.answer is distinct from q.answer then 'disagrees with the key'
  end as fault,
from rationales r left join questions q on q.id = r.question left join rendered p on p.question = r.question
where r.kept
"""
# A copy says nothing new; of the different ones the first samples stay.
_RANKED = """
create temp table ranked as
with named as (
  select *, left(sha256(to_json(prompt)::varchar || chr(10) || to_json(completion)::varchar), 16) as id,
  from judged where fault is null
),
copies as (select *, row_number() over (partition by id order by sample, request) as copy from named)
select *, row_number() over (partition by question, copy = 1 order by sample, id) as place from copies
"""
_EXAMPLES = """
create temp table examples as
select id, question, "group", split, prompt, completion, request from ranked where copy = 1 and place <= $most
"""
_DROPS = """
create temp table drops as
select question, fault as reason from judged where fault is not null
union all
select question, if(copy > 1, 'duplicate', 'beyond max_rationales') from ranked where copy > 1 or place > $most
union all
select id, 'no kept rationale' from questions q
where split in ('train', 'valid') and answer is not null and not exists (
  select 1 from rationales r where r.question = q.id and r.kept
)
"""
_IDENTITY = """
select sha256(coalesce(string_agg(concat_ws(' ', id, "group", split), chr(10) order by id), '')) from examples
"""
_TORN = """
select "group" from (
  select "group", split from questions where answer is not null union all select "group", split from examples
) group by all having count(distinct split) > 1 limit 5
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a build came to; `rejections` are rationales that the reason step did not keep."""

    identity: str
    rows: dict[str, int]
    rejections: dict[str, int]
    dropped: dict[str, int]


class Build:
    """Tables `questions` and `rationales` over two parquet files, and the examples made of them."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con

    def wanted(self) -> Iterator[list[Question]]:
        """The questions with a kept rationale, in batches: those whose prompt has to be rendered."""
        found = self._con.execute(_WANTED)
        names = [column[0] for column in found.description or ()]
        while rows := found.fetchmany(_BATCH):
            named = (dict(zip(names, row, strict=True)) for row in rows)
            yield [Question(**{**row, "options": tuple(row["options"])}) for row in named]

    def write(self, folder: Path, rendered: Iterable[list[dict[str, Any]]], *, most: int, bare: bool) -> Counts:
        """Fill `folder` with a snapshot of at most `most` examples a question.

        `rendered` has, in batches, question, prompt and answer_line for each wanted question; with `bare` the
        answer line is the whole completion. PonensError if a group stands on two sides.
        """
        con = self._con
        parts = folder / "parts"
        self._render(parts, rendered)
        con.execute(_JUDGED, {"bare": bare}).fetchall()
        con.execute(_RANKED).fetchall()
        con.execute(_EXAMPLES, {"most": most}).fetchall()
        con.execute(_DROPS, {"most": most}).fetchall()
        self._whole_groups()
        columns = 'id, question, "group", split, prompt, completion'
        self._copy("from examples order by id", folder / EXAMPLES)
        for split in ("train", "valid"):  # in the order of what was just sorted
            sorted_rows = f"select {columns} from read_parquet('{_quoted(folder / EXAMPLES)}') where split = '{split}'"
            self._copy(sorted_rows, folder / f"{split}.parquet")
        self._copy("from drops order by all", folder / DROPS)
        shutil.rmtree(parts)
        rows = self._count("select split, count(*) from examples group by all")
        return Counts(
            identity=con.execute(_IDENTITY).fetchall()[0][0],
            rows={"train": rows.get("train", 0), "valid": rows.get("valid", 0)},
            rejections=self._count(
                "select coalesce(reason, 'unknown'), count(*) from rationales where not kept group by all order by all"
            ),
            dropped=self._count("select reason, count(*) from drops group by all order by all"),
        )

    def _render(self, parts: Path, rendered: Iterable[list[dict[str, Any]]]) -> None:
        """A view `rendered` over files: a million prompts are more than memory should hold."""
        shutil.rmtree(parts, ignore_errors=True)  # of a try that was killed
        parts.mkdir()
        _RENDERED_EMPTY.write_parquet(parts / "rendered-empty.parquet")
        for number, batch in enumerate(rendered):
            file = parts / f"rendered-{number:06}.parquet"
            pl.DataFrame(batch, _RENDERED).write_parquet(file, compression="lz4")
        place = _quoted(parts)
        self._con.execute(f"set temp_directory = '{place}/spilled'; set memory_limit = '{MEMORY}'").fetchall()
        self._con.execute(f"create view rendered as from read_parquet('{place}/rendered-*.parquet')").fetchall()

    def _whole_groups(self) -> None:
        if torn := self._con.execute(_TORN).fetchall():
            raise PonensError(
                "problems stand on two sides of the split",
                seen=", ".join(row[0] for row in torn),
                expected="all questions of a problem on one side",
                hint="run again with `--refresh parse`",
            )

    def _copy(self, select: str, file: Path) -> None:
        self._con.execute(f"copy ({select}) to '{_quoted(file)}' (format parquet, compression zstd)").fetchall()

    def _count(self, sql: str) -> dict[str, int]:
        return dict(self._con.execute(sql).fetchall())


@contextmanager
def build(questions: Path, rationales: Path) -> Iterator[Build]:
    """A build over two parquet files, in memory. PonensError if one of them is gone or damaged."""
    with duckdb.connect() as con:
        for name, file in (("questions", questions), ("rationales", rationales)):
            try:
                con.execute(f"create view {name} as from read_parquet('{_quoted(file)}')").fetchall()
            except duckdb.Error as error:
                raise PonensError(f"{file} cannot be read", seen=error, hint="run the recipe again") from None
        yield Build(con)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
