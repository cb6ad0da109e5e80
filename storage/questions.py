"""Questions, rejects and drops as parquet files of an artifact, and back as records.

    questions.parquet   id, group, split, language, problem, question, options, answer, source_id, file, line
    rejects.parquet     file, line, field, reason
    drops.parquet       question, reason, file, line, and what it repeats: other, other_file, other_line, similarity,
                        evidence

What stays is in the order of the sources: of several questions that say the same, the first with a key.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from storage.cleaning.clean import RULES, Rules, clean, sign
from storage.home import Home
from storage.records import PonensError, Question, Receipt, Rejected, Split

DROPS = "drops.parquet"
QUESTIONS = "questions.parquet"
REJECTS = "rejects.parquet"
_BATCH = 10_000
MEMORY = "600MB"  # what DuckDB may take before it spills to the folder of the parts
_REJECT: dict[str, Any] = {"file": pl.String, "line": pl.Int64, "field": pl.String, "reason": pl.String}
_QUESTION: dict[str, Any] = {
    **dict.fromkeys(("id", "group", "split", "language", "problem", "question"), pl.String),
    "options": pl.List(pl.String),
    **dict.fromkeys(("answer", "source_id", "file"), pl.String),
    "line": pl.Int64,
    "position": pl.Int64,
}
_FIELDS = ("problem", "question", "options", "answer", "source_id", "file", "line", "split")
_REJECTS = "copy (from read_parquet('{parts}/rejects-*.parquet')) to '{out}' (format parquet, compression zstd)"
_DROPS = "copy drops to '{out}' (format parquet, compression zstd)"
# what a reader of the artifact can see, whatever wrote its bytes; `id` stands for problem, question and options
_CONTENT = """
select sha256(coalesce(string_agg(line, chr(10) order by line), '')) from (
  select to_json([id, split, answer, source_id, file, line::varchar])::varchar as line from read_parquet($questions)
  union all select to_json([file, line::varchar, field, reason])::varchar from read_parquet($rejects)
  union all select to_json([question, reason, file, line::varchar, other])::varchar from read_parquet($drops)
)
"""
_STATISTICS = """
select language, count(*) as questions, count(distinct "group") as problems,
  quantile_disc(characters, 0.5) as median, quantile_disc(characters, 0.95) as p95, max(characters) as longest
from (
  select language, "group", length(problem) + length(question) + length(array_to_string(options, '')) as characters
  from read_parquet($questions)
)
group by language order by language
"""


def write(
    folder: Path,
    found: Iterable[Question | Rejected],
    split_of: Callable[[str], Split],
    rules: Rules = RULES,
    against: Iterable[Question] = (),
) -> tuple[str, dict[str, Any]]:
    """Stream questions and rejects into the three files of `folder`; a group's split is `split_of(group)`.

    `against` are questions of evaluation sets, which nothing that stays may repeat. Returns the
    digest of the files' logical content, and facts: `splits`, `dropped` by reason, and by language
    `lengths` in characters.
    """
    parts = folder / "parts"
    shutil.rmtree(parts, ignore_errors=True)  # of a try that was killed
    parts.mkdir()
    for number, batch in enumerate(_batches(found)):
        good = [(position, q) for position, q in batch if isinstance(q, Question)]
        bad = [{name: getattr(r, name) for name in _REJECT} for _, r in batch if isinstance(r, Rejected)]
        frame = _frame(good, split_of, sign(good, rules, parts, number))
        frame.write_parquet(parts / f"questions-{number:06}.parquet", compression="lz4")
        pl.DataFrame(bad, _REJECT).write_parquet(parts / f"rejects-{number:06}.parquet")
    with duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(parts / "spilled")}) as con:
        con.execute(f"create view rows as from read_parquet('{_quoted(parts)}/questions-*.parquet')").fetchall()
        clean(con, parts, rules, against)
        con.execute(_REJECTS.format(parts=_quoted(parts), out=_quoted(folder / REJECTS))).fetchall()
        con.execute(_DROPS.format(out=_quoted(folder / DROPS))).fetchall()
        _stay(parts, con.sql("from kept").pl(), folder / QUESTIONS)
        shutil.rmtree(parts)
        return _told(con, folder)


class Stored:
    """The questions of an artifact, in their order; read a few at a time, as often as they are walked through.

    PonensError if the artifact is gone.
    """

    def __init__(self, home: Home, receipt: Receipt) -> None:
        self._file = home.root / receipt.artifact / QUESTIONS
        if not self._file.exists():
            raise PonensError(f"{self._file} is gone", hint="run the recipe again: it is made anew")

    def __iter__(self) -> Iterator[Question]:
        with pq.ParquetFile(self._file) as file:
            for batch in file.iter_batches(1000, columns=list(_FIELDS)):
                for row in batch.to_pylist():
                    yield Question(**{**row, "options": tuple(row["options"])})


def _batches(found: Iterable[Question | Rejected]) -> Iterator[list[tuple[int, Question | Rejected]]]:
    numbered = enumerate(found)
    batch = list(islice(numbered, _BATCH))
    yield batch  # a source with nothing in it still makes two tables
    while batch := list(islice(numbered, _BATCH)):
        yield batch


def _frame(batch: list[tuple[int, Question]], split_of: Callable[[str], Split], same: list[str]) -> pl.DataFrame:
    asked = [question for _, question in batch]
    groups = [question.group for question in asked]
    columns = {
        "id": [question.id for question in asked],
        "group": groups,
        "split": [split_of(group) for group in groups],
        # polars takes lists of lists one by one, arrow does not
        "options": pl.from_arrow(pa.array([question.options for question in asked], pa.list_(pa.large_string()))),
        "position": [position for position, _ in batch],
        "same": same,
    }
    columns |= {name: [getattr(question, name) for question in asked] for name in _QUESTION if name not in columns}
    return pl.DataFrame(columns, {**_QUESTION, "same": pl.String}).select(*_QUESTION, "same")


def _stay(parts: Path, kept: pl.DataFrame, out: Path) -> None:
    """The rows of the parts that are kept, in their order and with their split; in memory is one part."""
    names = [name for name in _QUESTION if name != "position"]
    schema = pl.DataFrame(schema=_QUESTION).select(names).to_arrow().schema
    with pq.ParquetWriter(out, schema, compression="zstd") as file:
        for part in sorted(parts.glob("questions-*.parquet")):
            rows = pl.read_parquet(part).drop("split")
            mine = kept.filter(pl.col("position").is_between(rows["position"].min(), rows["position"].max()))
            file.write_table(rows.join(mine, on="position", maintain_order="left").select(names).to_arrow())


def _told(con: duckdb.DuckDBPyConnection, folder: Path) -> tuple[str, dict[str, Any]]:
    questions = str(folder / QUESTIONS)
    files = {"questions": questions, "rejects": str(folder / REJECTS), "drops": str(folder / DROPS)}
    [[identity]] = con.execute(_CONTENT, files).fetchall()
    splits = dict(con.execute("select split, count(*) from read_parquet(?) group by 1", [questions]).fetchall())
    dropped = con.execute("select reason, count(*) from drops group by all order by all").fetchall()
    lengths = con.execute(_STATISTICS, {"questions": questions}).fetchall()
    names = ("questions", "problems", "median", "p95", "longest")
    return identity, {
        "splits": {name: splits.get(name, 0) for name in ("train", "valid", "test")},
        "dropped": dict(dropped),
        "lengths": {language: dict(zip(names, row, strict=True)) for language, *row in lengths},
    }


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
