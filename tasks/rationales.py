"""From what the ledger has to the table of rationales: what was read, what is kept and why the rest is not.

rationales.parquet   one row a request, questions in their order, unhinted before hinted
suspects.parquet     questions whose key the teacher contradicts, the strongest first
rationales.html      what a person opens; rationales.md the same in short
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from evals import rationales_page
from evals.rationales import Tally
from evals.vote import same_answer
from prompts import choice
from storage import suspects
from storage.ledger import Entry
from storage.records import Question
from tasks.selection import select
from tasks.step import Facts
from tasks.teachers.terms import Request
from tasks.teachers.terms import Tally as Bill

TABLE, PAGE = "rationales.parquet", "rationales.html"
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
    return entry.outcome == "answered" and _right(choice.read(entry.text, question).answer, question)


def _right(answer: str | None, question: Question) -> bool:
    """Options of equal text are one answer."""
    first = same_answer(question.options)
    return answer is not None and question.answer is not None and first[answer] == first[question.answer]


def write(
    folder: Path, items: Iterable[tuple[Question, list[Asked]]], *, model: str, keep: int, near_copy: float
) -> tuple[Facts, str]:
    """The tables of rationales and of suspects, their counts and their logical digest; memory stays flat."""
    sha, bill, tally = hashlib.sha256(), Bill(), Tally()
    chunk: list[Row] = []
    with pq.ParquetWriter(folder / TABLE, SCHEMA) as writer:
        for question, asked in items:
            rows = [_row(model, question, one) for one in asked]
            _select(rows, keep, near_copy)
            tally.see(question, rows)
            for row, one in zip(rows, asked, strict=True):
                sha.update(orjson.dumps(list(row.values())))
                if one.entry is not None:
                    bill.pay(one.entry)
            chunk += rows
            if len(chunk) >= _CHUNK:
                writer.write_table(pa.Table.from_pylist(chunk, SCHEMA))
                chunk = []
        writer.write_table(pa.Table.from_pylist(chunk, SCHEMA))
    facts, doubted = tally.facts(), tally.suspects()
    suspects.write(folder, doubted)
    (folder / PAGE).write_text(rationales_page.page(facts, doubted), "utf-8")
    (folder / "rationales.md").write_text(rationales_page.markdown(facts, doubted), "utf-8")
    rejected = {reason: count for reason, count in facts["rejected"].items() if reason != "unanswered"}
    return {
        "questions": facts["questions"],
        "requests": facts["requests"],
        "kept": facts["kept"],
        "yield": round(facts["kept"] / facts["requests"], 4),
        "rejected": rejected,
        "unanswered": facts["rejected"].get("unanswered", 0),
        "suspects": facts["suspects"]["found"],
        "total": {"tokens": bill.tokens.dict(), "cost": None if bill.spent is None else round(bill.spent, 6)},
        "rationales": facts,
    }, sha.hexdigest()


def _select(rows: list[Row], keep: int, near_copy: float) -> None:
    """Of the rows that agree with the key, leave those that are worth training on."""
    good = [row for row in rows if row["kept"]]
    for place, why in select(good, keep, near_copy) if good else []:
        good[place]["kept"], good[place]["reason"] = why is None, why


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
        why = extractor if answer is None else None if _right(answer, question) else "disagrees"
        if why is None and asked.prompt.endswith("/explain") and choice.betrays(entry.text, choice.body(question)):
            why = "betrays the key"
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
