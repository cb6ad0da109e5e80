"""Plain text to go on training with.

    {"text": "…"}     and what else a corpus says of it, such as `id`, `meta`, `url`: passed over

A `.txt` file is such rows, a paragraph each. Lines that are as long as a document are documents of their own.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from storage.dialogues import Text
from storage.formats import logiqa, sql, tagging
from storage.formats.base import At, Cells, Format, named, text

_FILES = (".txt", ".txt.gz", ".txt.zst")
_DOCUMENT = 200  # columns: nobody wraps lines so late
_OTHERS = {"label", "question", "options", "triples", "messages", "conversations", "instruction", "parent_id"}


def sniff(row: Cells) -> bool:
    """A text, and nothing that makes a row another format's."""
    mine = isinstance(row.get("text"), str) and not _OTHERS & set(row)
    return mine and not logiqa.sniff(row) and not sql.is_block(row) and not tagging.is_conll(row)


def records(row: Cells, at: At) -> Iterator[Text]:
    """The text of a row, or of each of its lines."""
    words, id = text(row, "text"), named(row, "id")
    lines = words.split("\n") if at.file.endswith(_FILES) and "\n" in words else []
    if lines and statistics.median(map(_width, lines)) >= _DOCUMENT:
        for n, line in enumerate(lines):
            yield Text(line.strip(), source_id=id, file=at.file, line=at.line + n)
    else:
        yield Text(words, source_id=id, file=at.file, line=at.line)


def _width(line: str) -> int:
    """Of a line on a screen, where a Han character is as wide as two letters."""
    return len(line) if line.isascii() else sum(2 if "\u2e80" <= char <= "\uffef" else 1 for char in line)


FORMAT = Format("text", sniff, records)
