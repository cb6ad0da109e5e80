"""ProntoQA, ProofWriter and LogicalDeduction as Logic-LLM gives them: options carry their letter.

{"id": "ProntoQA_1", "context": "…", "question": "…", "options": ["A) True", "B) False"], "answer": "B"}

ProntoQA's rows also hold an `explanation`, which is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator

from storage.formats.base import At, Cells, Format, letter, named, options, text
from storage.formats.labels import unlabelled
from storage.records import Question


def sniff(row: Cells) -> bool:
    """A context, a question, options."""
    return {"context", "question", "options"} <= set(row)


def records(row: Cells, at: At) -> Iterator[Question]:
    """The question of a row."""
    found, notes = unlabelled(list(options(row)))
    yield Question(
        text(row, "context"),
        text(row, "question"),
        found,
        letter(row, "answer", len(found)),
        source_id=named(row, "id"),
        file=at.file,
        line=at.line,
        notes=notes,
    )


FORMAT = Format("logic-llm", sniff, records)
