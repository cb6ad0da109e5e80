"""From what the ledger has to the table of rationales: what was read, what is kept and why the rest is not.

rationales.parquet   one row a request, questions in their order, unhinted before hinted
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from prompts import choice
from storage.ledger import Entry
from storage.records import Question
from tasks.step import Facts
from tasks.teachers.terms import Request, Tally

TABLE = "rationales.parquet"
SCHEMA = pa.schema(
    [
        ("question", pa.string()),
        ("sample", pa.int32()),
        ("text", pa.string()),
        ("answer", pa.string()),
        ("extractor", pa.string()),
        ("kept", pa.bool_()),
        ("reason", pa.string()),
        ("model", pa.string()),
        ("prompt", pa.string()),
        ("request", pa.string()),
        ("out_tokens", pa.int64()),
        ("cost", pa.float64()),
    ]
)
_CHUNK = 2000
Row = dict[str, Any]


class Asked(NamedTuple):
    """One request of a question: the prompt's name, the request, and the ledger's entry (None: unanswered)."""

    prompt: str
    request: Request
    entry: Entry | None


def agrees(entry: Entry, question: Question) -> bool:
    """Whether a reply came to the question's key."""
    return entry.outcome == "answered" and choice.read(entry.text, question).answer == question.answer


def write(
    folder: Path, items: Iterable[tuple[Question, list[Asked]]], *, model: str, keep: int, near_copy: float
) -> tuple[Facts, str]:
    """The table of rationales, its counts and its logical digest. Memory does not grow with it."""
    sha, rejected, total = hashlib.sha256(), Counter[str](), Tally()
    questions = kept = unanswered = requests = 0
    chunk: list[Row] = []
    with pq.ParquetWriter(folder / TABLE, SCHEMA) as writer:
        for question, asked in items:
            rows = [_row(model, question, one) for one in asked]
            questions += 1
            for row, one in zip(rows, asked, strict=True):
                sha.update(orjson.dumps(list(row.values())))
                if one.entry is not None:
                    total.pay(one.entry)
                requests += 1
                kept += row["kept"]
                unanswered += row["reason"] == "unanswered"
                if row["reason"] not in (None, "unanswered"):
                    rejected[row["reason"]] += 1
            chunk += rows
            if len(chunk) >= _CHUNK:
                writer.write_table(pa.Table.from_pylist(chunk, SCHEMA))
                chunk = []
        writer.write_table(pa.Table.from_pylist(chunk, SCHEMA))
    facts = {
        "questions": questions,
        "requests": requests,
        "kept": kept,
        "yield": round(kept / requests, 4),
        "rejected": dict(sorted(rejected.items())),
        "unanswered": unanswered,
        "total": {"tokens": total.tokens.dict(), "cost": None if total.spent is None else round(total.spent, 6)},
    }
    return facts, sha.hexdigest()


def _row(model: str, question: Question, asked: Asked) -> Row:
    entry = asked.entry
    answer = extractor = None
    if entry is None:
        why: str | None = "unanswered"
    elif entry.outcome != "answered":
        why = {"cut": "truncated", "refused": "refused"}[entry.outcome]
    else:
        reading = choice.read(entry.text, question)
        answer, extractor = reading.answer, reading.extractor
        why = extractor if answer is None else "disagrees" if answer != question.answer else None
    return {
        "question": question.id,
        "sample": asked.request.sample,
        "text": entry.text if entry else None,
        "answer": answer,
        "extractor": extractor,
        "kept": why is None,
        "reason": why,
        "model": model,
        "prompt": asked.prompt,
        "request": asked.request.key,
        "out_tokens": entry.tokens.out if entry else None,
        "cost": entry.cost if entry else None,
    }
