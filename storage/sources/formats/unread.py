"""Which columns of a row nobody read: what a format passes over is counted, never lost without a word.

passed_over, records = Unread(), []
passed_over.names({"question": "…", "answer": "…", "hint": "…"}, format, at, records)      ["hint"]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from storage.dialogues import Dialogue, Record, Text
from storage.records import Question, Rejected
from storage.sources.formats.base import At, Format
from storage.sources.formats.columns import is_metadata
from storage.sources.formats.turns import speaks

_NO_CHANCE = 20  # characters
NOTE = "unread "  # how a record's note of an unread column begins


class Watched(dict[str, Any]):
    """A row that remembers which of its columns were read, in `read`; made by `of`."""

    __slots__ = ("read",)
    read: set[str]

    @classmethod
    def of(cls, row: Mapping[str, Any], read: set[str]) -> Watched:
        """The row, whose columns are put into `read` as they are read."""
        watched = cls(row)
        watched.read = read
        return watched

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.read.add(name)
        return super().get(name, default)


class Unread:
    """The columns that nobody reads, row by row of a file.

    To watch a row costs more than to read it. So rows are watched only from the first on that holds a text
    which is in none of its records: where all that a row says is in its records, nothing is passed over. Rows of which
    a format says itself what it reads are not watched.
    """

    def __init__(self) -> None:
        self._watched: set[tuple[str, ...]] = set()  # the columns of rows that are
        self._passed: dict[tuple[str, tuple[str, ...]], frozenset[str] | None] = {}  # as a format and columns say

    def names(self, row: dict[str, Any], format: Format, at: At, records: list[Record | Rejected]) -> list[str]:
        """Put the records of a row behind `records`: its columns that nobody read for them, metadata apart.

        They hold text, and it is in none of the records. Fault as the format raises it.
        """
        columns = tuple(row)
        if format.reads is not None and (passed := self._passed_over(format, columns)) is not None:
            records.extend(format.records(row, at))
            return sorted(_unsaid(row, passed, records)) if passed else []
        if columns not in self._watched:
            records.extend(format.records(row, at))
            if not _unsaid(row, _telling(columns), records):
                return []
            self._watched.add(columns)
            records = []
        read: set[str] = set()
        records.extend(format.records(Watched.of(row, read), at))
        left = _telling(columns) - read
        return sorted(_unsaid(row, left, records)) if left else []

    def _passed_over(self, format: Format, columns: tuple[str, ...]) -> frozenset[str] | None:
        """What a format never reads of rows of these columns, metadata apart; None where that depends on the row."""
        key = (format.name, columns)
        if key not in self._passed:
            read = format.reads(columns) if format.reads else None
            self._passed[key] = None if read is None else _telling(columns) - read
        return self._passed[key]


def _unsaid(row: Mapping[str, Any], names: Iterable[str], records: Sequence[Record | Rejected]) -> list[str]:
    """Which of the columns hold text that is in none of the records."""
    texts = _words(records[0]) if len(records) == 1 else tuple(text for record in records for text in _words(record))
    words: list[str] | None = None
    left = []
    for name in names:
        value = row[name]
        if not value or value in texts:
            continue  # as most are
        if words is None:
            words = [text.strip() for text in texts]
        if not _is_in(value, words) and speaks(value):
            left.append(name)
    return left


@lru_cache(maxsize=1 << 12)
def _telling(columns: tuple[str, ...]) -> frozenset[str]:
    """The columns that are no metadata."""
    return frozenset(name for name in columns if not is_metadata(name))


def _words(record: Record | Rejected) -> tuple[str, ...]:
    return () if isinstance(record, Rejected) else words_of(record)


def words_of(record: Record) -> tuple[str, ...]:
    """The texts of a record."""
    if isinstance(record, Dialogue):
        return tuple([message.content for message in record.messages])
    if isinstance(record, Question):
        return (record.problem, record.question, *record.options)
    if isinstance(record, Text):
        return (record.text,)
    return (*(message.content for message in record.prompt), record.chosen, record.rejected)


def _is_in(value: object, words: list[str]) -> bool:
    """Whether every text of a value is one of `words`, or a part of one that is no chance."""
    if isinstance(value, str):
        part = value.strip()
        if not part or part in words:
            return True
        if len(part) >= _NO_CHANCE:
            for text in words:
                if part in text:
                    return True
        if len(words) < 2 or len(part) < len(words[0]):
            return False
        return all(text in part for text in words)  # as a prompt that is made of the record
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if not _is_in(item, words):
            return False
    return True
