"""Tagging: a label for each token.

    {"tokens": ["Ann", "sleeps"], "labels": ["B-PER", "O"]}     also `tags`, `ner_tags`, `pos_tags`

The user says the tokens, spaces between them; the assistant says each with its label, a line each and
a tab between. A label may be a number.
"""

from __future__ import annotations

from collections.abc import Iterator

from storage.dialogues import Dialogue
from storage.formats.base import At, Cells, Fault, Format, listed, named, said, texts
from storage.records import Message

_LABELS = ("labels", "tags", "ner_tags", "pos_tags")


def sniff(row: Cells) -> bool:
    """A list of tokens and one of labels."""
    return isinstance(row.get("tokens"), list) and any(name in row for name in _LABELS)


def records(row: Cells, at: At) -> Iterator[Dialogue]:
    """The tagged sentence of a row."""
    tokens = texts(row, "tokens")
    field = next((name for name in _LABELS if name in row), _LABELS[0])
    labels = [
        str(label) if isinstance(label, int) else said(label, f"{field}[{n}]")
        for n, label in enumerate(listed(row, field))
    ]
    if not tokens:
        raise Fault("tokens", "no tokens")
    if len(labels) != len(tokens):
        raise Fault(field, f"{len(labels)} labels for {len(tokens)} tokens")
    said_so = "\n".join(f"{token}\t{label}" for token, label in zip(tokens, labels, strict=True))
    yield Dialogue(
        (Message("user", " ".join(tokens)), Message("assistant", said_so)),
        "tagging",
        {"tokens": tokens, "labels": labels},
        source_id=named(row, "id"),
        file=at.file,
        line=at.line,
    )


FORMAT = Format("tagging", sniff, records)
