"""LogiQA 2.0: the key is an index, options carry no letters.

    {"id": 218, "answer": 3, "text": "…", "question": "…", "options": ["…", "…", "…", "…"], "type": {…}}

The Chinese files say `example_id`; its numbers have nothing to do with those of `id`.
"""

from __future__ import annotations

from collections.abc import Iterator

from storage.formats.base import At, Cells, Fault, Format, kind, named, options, text
from storage.records import LETTERS, Question


def sniff(row: Cells) -> bool:
    """A text, a question, options."""
    return {"text", "question", "options"} <= set(row)


def records(row: Cells, at: At) -> Iterator[Question]:
    """The question of a row."""
    found = options(row)
    yield Question(
        text(row, "text"),
        text(row, "question"),
        found,
        _key(row.get("answer"), len(found)),
        source_id=named(row, "id", "example_id"),
        file=at.file,
        line=at.line,
    )


def _key(index: object, count: int) -> str | None:
    if index is None:
        return None
    if not isinstance(index, int) or isinstance(index, bool):
        raise Fault("answer", f"expected the number of an option, found {kind(index)}")
    if not 0 <= index < count:
        raise Fault("answer", f"answer {index} is none of the options 0 to {count - 1}")
    return LETTERS[index]


FORMAT = Format("logiqa2", sniff, records)
