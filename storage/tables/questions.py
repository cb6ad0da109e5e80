"""Questions as a parquet file of an artifact, and back as records.

questions.parquet   id, group, split, language, problem, question, options, answer, source_id, file, line
rejects.parquet, drops.parquet   see `parsed`
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from storage.cleaning import compare
from storage.cleaning.clean import RULES, Rules
from storage.dialogues import Record
from storage.home import Home
from storage.records import PonensError, Question, Receipt, Rejected, Split
from storage.tables import parsed

QUESTIONS = "questions.parquet"
_COLUMNS: dict[str, Any] = {
    **parsed.COMMON,
    **dict.fromkeys(("language", "problem", "question"), pl.String),
    "options": pl.List(pl.String),
    **dict.fromkeys(("answer", "source_id", "file"), pl.String),
    "line": pl.Int64,
}
_FIELDS = ("problem", "question", "options", "answer", "source_id", "file", "line", "split")


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


def training_questions(file: Path) -> Iterator[Question]:
    """The questions of a parsed file that have a key and are on the side of training."""
    with pq.ParquetFile(file) as table:
        for batch in table.iter_batches(1000, columns=list(_FIELDS)):
            for row in batch.to_pylist():
                if row["split"] == "train" and row["answer"] is not None:
                    yield Question(**{**row, "options": tuple(row["options"])})


def write(
    folder: Path,
    found: Iterable[Question | Rejected],
    split_of: Callable[[str], Split],
    rules: Rules = RULES,
    against: Iterable[Record] = (),
    left_out: Mapping[str, str] | None = None,
) -> tuple[str, dict[str, Any]]:
    """Stream questions and rejects into the three files of `folder`, as `parsed.write` does."""
    return parsed.write(_TABLE, folder, found, split_of, rules, against, left_out)


def beginning(folder: Path, id: str) -> dict[str, Question]:
    """The questions in the folder's file whose ids begin thus, by id."""
    rows = pl.scan_parquet(folder / QUESTIONS, glob=False).filter(pl.col("id").str.starts_with(id)).collect()
    found = [Question(**{n: row[n] for n in _FIELDS} | {"options": tuple(row["options"])}) for row in rows.to_dicts()]
    return {question.id: question for question in found}


def sides(folder: Path, ids: Collection[str]) -> list[str]:
    """The splits of those of these questions that are in the folder's file."""
    rows = pl.scan_parquet(folder / QUESTIONS, glob=False).select("id", "split")
    return rows.filter(pl.col("id").is_in(list(ids))).collect()["split"].to_list()


def _values(questions: Sequence[Question]) -> dict[str, Any]:
    return {
        **{name: [getattr(q, name) for q in questions] for name in _COLUMNS if name not in (*parsed.COMMON, "options")},
        # polars takes lists of lists one by one, arrow does not
        "options": pl.from_arrow(pa.array([q.options for q in questions], pa.list_(pa.large_string()))),
    }


_TABLE: parsed.Table[Question] = parsed.Table(
    record=Question,
    file=QUESTIONS,
    columns=_COLUMNS,
    scratch={},
    values=_values,
    comparison=compare.QUESTIONS,
    view="problem || ' ' || question as asked, answer is not null as answered",
    identity="id, split, answer, source_id, file, line::varchar",  # `id` stands for problem, question and options
    length="length(problem) + length(question) + length(array_to_string(options, ''))",
    names=("questions", "problems"),
    batch=10_000,
)
