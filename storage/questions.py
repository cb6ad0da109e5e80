"""Questions and rejects as parquet files of an artifact, and back as records.

    questions.parquet   id, group, split, language, problem, question, options, answer, source_id, file, line
    rejects.parquet     file, line, field, reason

One row a question id: the same question twice is one question, with the first key that a source gives.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq

from storage.home import Home
from storage.records import PonensError, Question, Receipt, Rejected, Split, digest

QUESTIONS = "questions.parquet"
REJECTS = "rejects.parquet"
_BATCH = 10_000
_REJECT: dict[str, Any] = {"file": pl.String, "line": pl.Int64, "field": pl.String, "reason": pl.String}
_QUESTION: dict[str, Any] = {
    **dict.fromkeys(("id", "group", "split", "language", "problem", "question"), pl.String),
    "options": pl.List(pl.String),
    **dict.fromkeys(("answer", "source_id", "file"), pl.String),
    "line": pl.Int64,
    "position": pl.Int64,
}
_FIELDS = ("problem", "question", "options", "answer", "source_id", "file", "line", "split")
# A group that nobody can learn from or be marked on is out of the way in "test". Where some of its
# questions have keys it stays whole: a question without a key never draws its group to another side.
_DISTINCT = """
copy (
  select id, "group",
    case when bool_or(answer is not null) over (partition by "group") then split else 'test' end as split,
    language, problem, question, options, answer, source_id, file, line
  from read_parquet('{parts}/questions-*.parquet')
  qualify row_number() over (partition by id order by answer is null, position) = 1
  order by id
) to '{out}' (format parquet, compression zstd)
"""
_REJECTS = """
copy (from read_parquet('{parts}/rejects-*.parquet')) to '{out}' (format parquet, compression zstd)
"""


def write(
    folder: Path, found: Iterable[Question | Rejected], split_of: Callable[[str], Split]
) -> tuple[str, dict[str, int]]:
    """Stream questions and rejects into the two files of `folder`; a group's split is `split_of(group)`.

    Returns the digest of their logical content and the number of distinct questions in each split.
    """
    parts = folder / "parts"
    shutil.rmtree(parts, ignore_errors=True)  # of a try that was killed
    parts.mkdir()
    for number, batch in enumerate(_batches(found)):
        good = [_row(q, split_of, position) for position, q in batch if isinstance(q, Question)]
        bad = [{name: getattr(r, name) for name in _REJECT} for _, r in batch if isinstance(r, Rejected)]
        pl.DataFrame(good, _QUESTION).write_parquet(parts / f"questions-{number:06}.parquet")
        pl.DataFrame(bad, _REJECT).write_parquet(parts / f"rejects-{number:06}.parquet")
    out = folder / QUESTIONS
    with duckdb.connect() as con:
        con.execute(_DISTINCT.format(parts=_quoted(parts), out=_quoted(out))).fetchall()
        con.execute(_REJECTS.format(parts=_quoted(parts), out=_quoted(folder / REJECTS))).fetchall()
        splits = dict(con.execute("select split, count(*) from read_parquet(?) group by 1", [str(out)]).fetchall())
    shutil.rmtree(parts)
    return _content(folder), {name: splits.get(name, 0) for name in ("train", "valid", "test")}


class Stored:
    """Every distinct question of a questions artifact, by id; read a few at a time, as often as it is walked through.

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


def _row(question: Question, split_of: Callable[[str], Split], position: int) -> dict[str, Any]:
    group = question.group
    return {
        "id": question.id,
        "group": group,
        "split": split_of(group),
        "language": question.language,
        "problem": question.problem,
        "question": question.question,
        "options": list(question.options),
        "answer": question.answer,
        "source_id": question.source_id,
        "file": question.file,
        "line": question.line,
        "position": position,
    }


def _content(folder: Path) -> str:
    # `id` already stands for problem, question and options
    questions = pl.read_parquet(folder / QUESTIONS, columns=["id", "split", "answer", "source_id", "file", "line"])
    return digest([sorted(map(repr, questions.rows())), pl.read_parquet(folder / REJECTS).rows()])


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
