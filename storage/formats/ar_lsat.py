"""AR-LSAT: one passage a row, several questions to a passage; the letter is the position.

    {"id": "199106_2-G_1", "passage": "…", "questions": [{"question": "…", "options": ["…", …], "answer": "B", …}]}

Rejects as in `competition`, whose rows have the same shape.
"""

from __future__ import annotations

from collections.abc import Iterator

from storage.formats.base import At, Cells, Format
from storage.formats.competition import observed, several
from storage.records import Question, Rejected


def sniff(row: Cells) -> bool:
    """A passage and a list of questions."""
    return "passage" in row and isinstance(row.get("questions"), list)


def records(row: Cells, at: At) -> Iterator[Question | Rejected]:
    """Every question of a passage, or a reject in its place."""
    yield from several(row, at, "passage", "id")


FORMAT = Format("ar-lsat", sniff, records, observed=observed)
