"""Tagging: a label for each token.

    {"tokens": ["Ann", "sleeps"], "labels": ["B-PER", "O"]}     also `tags`, `ner_tags`, `pos_tags`

The user says the tokens, spaces between them; the assistant says each with its label, a line each and
a tab between. A label may be a number. A `.txt` of CoNLL, a token a line and its labels in columns behind it, blank
lines between the sentences, is such rows: the last column is the label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from storage.dialogues import Dialogue
from storage.records import Message
from storage.sources.formats.base import At, Cells, Fault, Format, listed, named, said, text, texts

_SPAN = re.compile(r"O|[BIESLUM]-\S+")
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
    yield _tagged(tokens, labels, row, at)


def _tagged(tokens: list[str], labels: list[str], row: Cells, at: At) -> Dialogue:
    said_so = "\n".join(f"{token}\t{label}" for token, label in zip(tokens, labels, strict=True))
    return Dialogue(
        (Message("user", " ".join(tokens)), Message("assistant", said_so)),
        "tagging",
        {"tokens": tokens, "labels": labels},
        source_id=named(row, "id"),
        file=at.file,
        line=at.line,
    )


def is_conll(row: Cells) -> bool:
    """A sentence of CoNLL: lines of as many columns, the last of them a label of a span."""
    lines = row["text"].split("\n") if set(row) == {"text"} and isinstance(row["text"], str) else []
    parts = [line.split() for line in lines]
    widths = {len(cells) for cells in parts}
    return len(widths) == 1 and min(widths) > 1 and all(_SPAN.fullmatch(cells[-1]) for cells in parts)


def _conll(row: Cells, at: At) -> Iterator[Dialogue]:
    if not is_conll(row):
        raise Fault("text", "not lines of a token and its labels")
    parts = [line.split() for line in text(row, "text").split("\n")]
    if parts[0][0] == "-DOCSTART-":
        return  # says where a document begins, and nothing of a sentence
    yield _tagged([cells[0] for cells in parts], [cells[-1] for cells in parts], row, at)


FORMATS = (Format("tagging", sniff, records), Format("conll", is_conll, _conll))
