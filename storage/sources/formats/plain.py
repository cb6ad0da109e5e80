"""Plain text to go on training with.

    {"text": "…"}     and what else a corpus says of it, such as `id`, `meta`, `url`: passed over

A `.txt` file is such rows, a paragraph each, or a line each where lines are documents.
"""

from __future__ import annotations

from collections.abc import Iterator

from storage.dialogues import Text
from storage.sources.formats import logiqa, sql, tagging
from storage.sources.formats.base import At, Cells, Format, named, text

_OTHERS = {"label", "question", "options", "triples", "messages", "conversations", "instruction", "parent_id", "code"}


def sniff(row: Cells) -> bool:
    """A text, and nothing that makes a row another format's."""
    mine = isinstance(row.get("text"), str) and not _OTHERS & set(row)
    return mine and not logiqa.sniff(row) and not sql.is_block(row) and not tagging.is_conll(row)


def records(row: Cells, at: At) -> Iterator[Text]:
    """The text of a row."""
    yield Text(text(row, "text"), source_id=named(row, "id"), file=at.file, line=at.line)


FORMAT = Format("text", sniff, records, reads=lambda columns: frozenset(("text", "id")))
