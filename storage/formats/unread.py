"""Which columns of a row nobody read: what a format passes over is counted, never lost without a word.

row = Watched({"question": "…", "answer": "…", "hint": "…"})
list(format.records(row, at)); unread(row)      ["hint"]
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from storage.dialogues import Dialogue, Preference, Record, Text
from storage.formats.columns import is_metadata
from storage.formats.turns import speaks
from storage.records import Question

_NO_CHANCE = 20  # characters
NOTE = "unread "  # how a record's note of an unread column begins


class Watched(dict[str, Any]):
    """A row that remembers which of its columns were read."""

    __slots__ = ("read",)

    def __init__(self, row: Mapping[str, Any]) -> None:
        super().__init__(row)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.read.add(name)
        return super().get(name, default)


def unread(row: Watched, records: list[Record]) -> list[str]:
    """The columns of `row` that nobody read and that hold text which is in none of its records, metadata apart."""
    left = [name for name in telling(tuple(row)) - row.read if speaks(dict.__getitem__(row, name))]
    if not left:
        return []
    words = [text.strip() for record in records for text in words_of(record)]
    return sorted(name for name in left if not _is_in(dict.__getitem__(row, name), words))


@lru_cache(maxsize=1 << 12)
def telling(columns: tuple[str, ...]) -> frozenset[str]:
    """The columns that are no metadata."""
    return frozenset(name for name in columns if not is_metadata(name))


def words_of(record: Record) -> tuple[str, ...]:
    """The texts of a record."""
    if isinstance(record, Question):
        return (record.problem, record.question, *record.options)
    if isinstance(record, Dialogue):
        return tuple(message.content for message in record.messages)
    if isinstance(record, Preference):
        return (*(message.content for message in record.prompt), record.chosen, record.rejected)
    assert isinstance(record, Text)
    return (record.text,)


def _is_in(value: object, words: list[str]) -> bool:
    """Whether every text of a value is one of `words`, or a part of one that is no chance."""
    if isinstance(value, str):
        part = value.strip()
        if len(words) > 1 and all(text in part for text in words):
            return True  # all of the record again, as a prompt that is made of it
        return not part or part in words or (len(part) >= _NO_CHANCE and any(part in text for text in words))
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(_is_in(item, words) for item in inner)
