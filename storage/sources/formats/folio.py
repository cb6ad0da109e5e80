"""FOLIO: premises and a conclusion; True, False and Unknown are the options A, B and C.

    {"premises": ["…", …], "premises-FOL": ["…", …], "conclusion": "…", "label": "True", "example_id": 1131}

On the hub premises are one text, a line each. Labels are text; "Uncertain" is how other parts of the set say Unknown.
Space around a premise goes; a blank one is left out (warning `empty-premise`).
"""

from __future__ import annotations

from collections.abc import Iterator

from storage.records import Question
from storage.sources.formats.base import At, Cells, Fault, Format, named, said, text, texts

_LABELS = {"True": "A", "False": "B", "Unknown": "C", "Uncertain": "C"}


def sniff(row: Cells) -> bool:
    """Premises, as a list or a line each, and a conclusion."""
    return isinstance(row.get("premises"), list | str) and "conclusion" in row


def records(row: Cells, at: At) -> Iterator[Question]:
    """The question of a row."""
    given, formal = row.get("premises"), row.get("premises-FOL")
    lines = {"premises": given.split("\n")} if isinstance(given, str) else row
    premises = texts(lines, "premises", empty=True)
    notes = [
        *(["empty-premise"] if not all(map(str.strip, premises)) else []),
        *(["stray-spaces"] if any(premise != premise.strip() for premise in premises) else []),
        *(["unequal-premises"] if isinstance(formal, list) and len(formal) != len(premises) else []),
    ]
    problem = said("\n".join(premise.strip() for premise in premises if premise.strip()), "premises")
    label = None if row.get("label") is None else said(row["label"], "label")
    if label is not None and label not in _LABELS:
        raise Fault("label", f"label {label[:40]!r} is none of {', '.join(_LABELS)}")
    yield Question(
        problem,
        text(row, "conclusion"),
        ("True", "False", "Unknown"),
        _LABELS[label] if label else None,
        source_id=named(row, "example_id"),
        file=at.file,
        line=at.line,
        notes=tuple(notes),
    )


FORMAT = Format("folio", sniff, records)
