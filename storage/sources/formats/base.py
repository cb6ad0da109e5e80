"""What a format is, and the checks that all formats share.

A format turns one row into records. It raises Fault for a row that is none; a row that holds several
items yields what it can and a reject for each of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from storage.dialogues import Dialogue, Record
from storage.records import Question, Rejected

Cells = Mapping[str, Any]
_MARKS = {"\x00": "a NUL", "\ufffd": "U+FFFD, the mark of lost characters,"}


class Fault(Exception):
    """Why a row, or an item of it, is no record."""

    def __init__(self, field: str, reason: str) -> None:
        self.field, self.reason = field, reason
        super().__init__(f"{field}: {reason}")


@dataclass(frozen=True, slots=True)
class Convention:
    """What the keys of a file say of each other: counts of those that can be read in one way alone.

    `zeros` and `tops` are numbers that are 0, or as high as there are options; `numbers` are both and
    those between. `first` is 0 or 1 where a user or the set itself says so.
    """

    zeros: int = 0
    tops: int = 0
    numbers: int = 0
    letters: int = 0
    texts: int = 0
    first: int | None = None

    def __add__(self, other: Convention) -> Convention:
        zeros, tops, numbers = self.zeros + other.zeros, self.tops + other.tops, self.numbers + other.numbers
        return Convention(zeros, tops, numbers, self.letters + other.letters, self.texts + other.texts, self.first)

    @property
    def base(self) -> int | None:
        """Where numbers are counted from; None if nothing says so, or keys say both."""
        if self.first is not None:
            return self.first
        return None if bool(self.zeros) == bool(self.tops) else int(not self.zeros)


class At(NamedTuple):
    """Where a row stands: the file's name and its folder, and the line, counted from 1.

    `convention` says how the file's keys are to be read, by the first sign of it; `whole` by all of them, for which
    it reads the file. `keyed` is whether a question whose key cannot be read is rejected; if not, it is one without
    a key.
    """

    file: str
    line: int
    folder: Path = Path()
    convention: Callable[[], Convention] = Convention
    keyed: bool = True
    whole: Callable[[], Convention] = Convention

    def reject(self, fault: Fault) -> Rejected:
        return Rejected(self.file, self.line, fault.field, fault.reason)


@dataclass(frozen=True, slots=True)
class Format:
    """A format: `sniff(row)` is True for its rows and no other's; `records` reads one of them.

    `row` is the way back, for formats that are exported; Fault where a dialogue does not fit.
    `observed` is what a row says of how its file's keys are to be read, for formats with such keys;
    `first` is 0 or 1 where their numbers are known to count from it.
    `gathered` makes rows of the rows of a file, where a record stands in several of them.
    `others` are formats that rows of a file may be of as well, where its rows were looked at.
    `number` is the number that a question's own text begins with, if it does.
    `reads` says which columns are read of every row that has these columns and is not refused, and no others; None
    where that depends on the row.
    """

    name: str
    sniff: Callable[[Cells], bool]
    records: Callable[[Cells, At], Iterator[Record | Rejected]]
    row: Callable[[Dialogue], dict[str, Any]] | None = None
    observed: Callable[[Cells], Convention] | None = None
    first: int | None = None
    gathered: Callable[[Iterator[Any]], Iterator[Any]] = lambda rows: rows
    others: tuple[Format, ...] = ()
    number: Callable[[Question], int | None] = lambda question: None
    reads: Callable[[tuple[str, ...]], frozenset[str] | None] | None = None


def text(row: Cells, field: str, *, empty: bool = False) -> str:
    """The text at `field`, as it is. Fault if it is missing, no text, damaged, or blank unless `empty`."""
    if field not in row:
        raise Fault(field, "missing field")
    return said(row[field], field, empty=empty)


def optional(row: Cells, field: str) -> str:
    """The text at `field`; "" where it is absent or null."""
    value = row.get(field)
    return "" if value is None else said(value, field, empty=True)


def said(value: object, field: str, *, empty: bool = False) -> str:
    """`value` as text. Fault if it is no text, damaged, or blank unless `empty`."""
    if not isinstance(value, str):
        raise Fault(field, f"expected text, found {kind(value)}")
    if "\x00" in value or "\ufffd" in value:
        mark, name = next(item for item in _MARKS.items() if item[0] in value)
        raise Fault(field, f"holds {name} at character {value.index(mark) + 1}")
    if not empty and (not value or value.isspace()):
        raise Fault(field, f"empty {field.rpartition('.')[2]}")
    return value


def is_sound(value: object) -> bool:
    """Whether a value is a text without damage."""
    return isinstance(value, str) and "\x00" not in value and "\ufffd" not in value


def listed(row: Cells, field: str) -> list[Any]:
    """The list at `field`. Fault if it is missing or none."""
    if field not in row:
        raise Fault(field, "missing field")
    found = row[field]
    if not isinstance(found, list):
        raise Fault(field, f"expected a list, found {kind(found)}")
    return found


def texts(row: Cells, field: str, *, empty: bool = False) -> list[str]:
    """The list of texts at `field`. Fault names the one that is none."""
    found = listed(row, field)
    try:
        if is_sound("\n".join(found)) and (empty or all(map(str.strip, found))):
            return list(found)  # as most are
    except TypeError:  # one is no text
        pass
    return [said(value, f"{field}[{n}]", empty=empty) for n, value in enumerate(found)]


def named(row: Cells, *fields: str) -> str:
    """The source's own id, for people: the first of `fields` that is there, text or whole number."""
    for name in fields:
        value = row.get(name)
        if value is None:
            continue
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return said(value, name, empty=True)
    return ""


def kind(value: object) -> str:
    """What a value is, in words."""
    names: dict[type, str] = {
        dict: "an object",
        list: "a list",
        str: "text",
        bool: "true or false",
        type(None): "null",
        int: "a number",
        float: "a number",
        bytes: "bytes",
    }
    return names.get(type(value), type(value).__name__)
