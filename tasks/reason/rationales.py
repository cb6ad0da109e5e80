"""From what the ledger has to the table of rationales: what was read, what is kept and why the rest is not.

rationales.parquet   one row a request, questions in their order, unhinted before hinted
suspects.parquet     questions whose key the teacher contradicts, the strongest first
rationales.html      what a person opens, no part of the artifact (`tasks.runtime.pages`); rationales.md in short
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from evals.report.rationale_facts import SuspectFacts
from evals.report.rationales import Tally
from evals.vote import same_answer
from prompts import choice
from prompts.betrayal import betrays
from storage.ledger import Entry, Ledger
from storage.records import Question, Reading
from storage.tables import doubted_keys
from tasks.reason.selection import select
from tasks.runtime.pages import Pages
from tasks.runtime.step import Facts
from tasks.teachers.spec import Request
from tasks.teachers.spec import Tally as Bill

TABLE, PAGE = "rationales.parquet", "rationales.html"
SCHEMA: dict[str, Any] = {
    "question": pl.String,
    "sample": pl.Int32,
    **dict.fromkeys(("text", "answer", "extractor"), pl.String),
    "kept": pl.Boolean,
    **dict.fromkeys(("reason", "model", "prompt", "request"), pl.String),
    "out_tokens": pl.Int64,
    "cost": pl.Float64,
}
_CHUNK = 2000
Row = dict[str, Any]


class Asked(NamedTuple):
    """One request of a question, the ledger's entry (None: unanswered) and what an answer says.

    `right` is True if it came to the question's key; options of equal text are one answer.
    """

    prompt: str
    request: Request
    entry: Entry | None
    reading: Reading
    right: bool


def heard(question: Question, prompt: str, request: Request, ledger: Ledger) -> Asked:
    """A request with what the ledger has of it, read."""
    entry = ledger.find(request.key)
    if entry is None or entry.outcome != "answered":
        return Asked(prompt, request, entry, Reading(None, ""), False)
    reading, first = choice.read(entry.text, question), same_answer(question.options)
    right = reading.answer is not None and first[reading.answer] == first[question.answer or ""]
    return Asked(prompt, request, entry, reading, right)


def write(
    folder: Path,
    items: Iterable[tuple[Question, list[Asked]]],
    *,
    model: str,
    keep: int,
    near_copy: float,
    settled: Collection[str] = (),
) -> tuple[Facts, str]:
    """The tables of rationales and of suspects, their counts and their logical digest; memory stays flat.

    The keys of questions in `settled` are no suspects, whatever the teacher says.
    The digest is the sum of the rows', so their order does not count (Bellare and Micciancio 1997,
    "A New Paradigm for Collision-Free Hashing": AdHash).
    """
    content, bill, tally = 0, Bill(), Tally(settled=settled)
    chunk: list[Row] = []
    with pq.ParquetWriter(folder / TABLE, _arrow([]).schema) as writer:
        for question, asked in items:
            rows = [_row(model, question, one) for one in asked]
            _select(rows, keep, near_copy)
            tally.see(question, rows)
            for row, one in zip(rows, asked, strict=True):
                content += int.from_bytes(hashlib.sha256(orjson.dumps(list(row.values()))).digest())
                if one.entry is not None:
                    bill.pay(one.entry)
            chunk += rows
            if len(chunk) >= _CHUNK:
                writer.write_table(_arrow(chunk))
                chunk = []
        writer.write_table(_arrow(chunk))
    facts = tally.facts()
    facts["estimated"], facts["likely"] = bill.estimated, bill.likely or None if bill.estimated else bill.spent
    doubted_keys.write(folder, tally.suspects())
    rejected = {reason: count for reason, count in facts["rejected"].items() if reason != "unanswered"}
    if tally.spared:  # the same rationales with another list of suspects are another artifact
        content += int.from_bytes(hashlib.sha256(orjson.dumps(sorted(tally.spared))).digest())
    return {
        "questions": facts["questions"],
        "requests": facts["requests"],
        "kept": facts["kept"],
        "yield": round(facts["kept"] / facts["requests"], 4),
        "rejected": rejected,
        "unanswered": facts["rejected"].get("unanswered", 0),
        "suspects": facts["suspects"]["found"],
        "total": {
            "tokens": bill.tokens.dict(),
            "estimated": bill.estimated,
            "cost": None if bill.spent is None else round(bill.spent, 6),
        },
        "rationales": facts,
    }, f"{content % 2**256:064x}"


def _pages(folder: Path, facts: Mapping[str, Any]) -> dict[str, str]:
    """The pages of rationales, from what `write` left in `folder` and returned."""
    from evals.report import rationales_page

    found, doubted = facts["rationales"], cast("list[SuspectFacts]", doubted_keys.load(folder))
    return {PAGE: rationales_page.page(found, doubted), "rationales.md": rationales_page.markdown(found, doubted)}


PAGES = Pages("evals.report.rationales_page", _pages)


def _arrow(rows: list[Row]) -> pa.Table:
    return pl.DataFrame(rows, SCHEMA).to_arrow(compat_level=pl.CompatLevel.oldest())  # pyarrow's own way imports pandas


def _select(rows: list[Row], keep: int, near_copy: float) -> None:
    """Of the rows that agree with the key, leave those that are worth training on."""
    good = [row for row in rows if row["kept"]]
    for place, why in select(good, keep, near_copy) if good else []:
        good[place]["kept"], good[place]["reason"] = why is None, why


def _row(model: str, question: Question, asked: Asked) -> Row:
    entry, reading = asked.entry, asked.reading
    if entry is None:
        why: str | None = "unanswered"
    elif entry.outcome != "answered":
        why = {"cut": "truncated", "refused": "refused"}[entry.outcome]
    elif not asked.right:
        why = "disagrees" if reading.answer else reading.extractor
    else:
        hinted = asked.prompt.endswith("/explain")
        why = "betrays the key" if hinted and betrays(entry.text, choice.body(question)) else None
    return {
        "question": question.id,
        "sample": asked.request.sample,
        "text": entry.text if entry else None,
        "answer": reading.answer,
        "extractor": reading.extractor or None,
        "kept": why is None,
        "reason": why,
        "model": model,
        "prompt": asked.prompt,
        "request": asked.request.key,
        "out_tokens": entry.tokens.out if entry else None,
        "cost": entry.cost if entry else None,
    }
