"""Questions and rejects as parquet files of an artifact, and back as records.

    questions.parquet   id, group, split, language, problem, question, options, answer, source_id, file, line
    rejects.parquet     file, line, field, reason

One row a question id: the same question twice is one question, with the first key that a source gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from storage.home import Home
from storage.records import PonensError, Question, Receipt, Rejected, Split, digest

QUESTIONS = "questions.parquet"
REJECTS = "rejects.parquet"
_BATCH = 10_000
_REJECT = pa.schema([("file", pa.string()), ("line", pa.int64()), ("field", pa.string()), ("reason", pa.string())])
_QUESTION = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "group", "split", "language", "problem", "question")),
        ("options", pa.list_(pa.string())),
        *((name, pa.string()) for name in ("answer", "source_id", "file")),
        ("line", pa.int64()),
        ("position", pa.int64()),
    ]
)
# A group that nobody can learn from or be marked on is out of the way in "test". Where some of its
# questions have keys it stays whole: a question without a key never draws its group to another side.
_DISTINCT = """
copy (
  select id, "group",
    case when bool_or(answer is not null) over (partition by "group") then split else 'test' end as split,
    language, problem, question, options, answer, source_id, file, line
  from read_parquet($raw)
  qualify row_number() over (partition by id order by answer is null, position) = 1
  order by position
) to '{out}' (format parquet, compression zstd)
"""


def write(
    folder: Path, found: Iterable[Question | Rejected], split_of: Callable[[str], Split]
) -> tuple[str, dict[str, int]]:
    """Stream questions and rejects into the two files of `folder`; a group's split is `split_of(group)`.

    Returns the digest of their logical content and the number of distinct questions in each split.
    """
    raw = folder / "raw.parquet"
    with (
        pq.ParquetWriter(raw, _QUESTION, compression="zstd") as questions,
        pq.ParquetWriter(folder / REJECTS, _REJECT, compression="zstd") as rejects,
    ):
        for batch in _batches(found):
            good = [_row(q, split_of, position) for position, q in batch if isinstance(q, Question)]
            bad = [{f: getattr(r, f) for f in _REJECT.names} for _, r in batch if isinstance(r, Rejected)]
            questions.write_table(pa.Table.from_pylist(good, _QUESTION))
            rejects.write_table(pa.Table.from_pylist(bad, _REJECT))
    out = folder / QUESTIONS
    with duckdb.connect() as con:
        con.execute(_DISTINCT.format(out=str(out).replace("'", "''")), {"raw": str(raw)}).fetchall()
        splits = dict(con.execute("select split, count(*) from read_parquet(?) group by 1", [str(out)]).fetchall())
    raw.unlink()
    return _content(folder), {name: splits.get(name, 0) for name in ("train", "valid", "test")}


def load(home: Home, receipt: Receipt) -> list[Question]:
    """Every distinct question of a questions artifact, in the order of the sources. PonensError if it is gone."""
    file = home.root / receipt.artifact / QUESTIONS
    if not file.exists():
        raise PonensError(f"{file} is gone", hint="run the recipe again: it is made anew")
    fields = ["problem", "question", "options", "answer", "source_id", "file", "line", "split"]
    rows = pq.read_table(file, columns=fields).to_pylist()
    return [Question(**{**row, "options": tuple(row["options"])}) for row in rows]


def _batches(found: Iterable[Question | Rejected]) -> Iterator[list[tuple[int, Question | Rejected]]]:
    batch: list[tuple[int, Question | Rejected]] = []
    for position, item in enumerate(found):
        batch.append((position, item))
        if len(batch) == _BATCH:
            yield batch
            batch = []
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
    questions = pq.read_table(folder / QUESTIONS, columns=["id", "split", "answer", "source_id", "file", "line"])
    return digest([sorted(map(repr, questions.to_pylist())), pq.read_table(folder / REJECTS).to_pylist()])
