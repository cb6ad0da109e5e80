"""What to say of files that no format knows, and of a mapping that leads nowhere."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from storage.records import Rejected, UsageError
from storage.sources.container import converted
from storage.sources.enclosed_rows import inside
from storage.sources.formats.base import kind
from storage.sources.formats.declared import needed
from storage.sources.formats.options import normed
from storage.sources.mapped_rows import sourced
from storage.sources.mapping import Columns, leads
from storage.sources.rows import Row, rows
from storage.sources.suggestion import suggested

_HEAD = 1 << 16  # bytes that say how a file is encoded
_LONG = 60  # characters of a name that is no name
_LOOK = 20  # rows that a mapping is tried on
_NEAREST = 3  # formats that are named
_LACKING = 2  # columns that they may miss
_SPELT = 0.85  # how alike two spellings of a name are


def unknown(files: Sequence[tuple[str, Path]], columns: Columns) -> UsageError:
    """The error for files of which no format knows a row: the nearest formats, with what each of them misses.

    A mapping is advised only where one can work.
    """
    firsts = [_first(file) for file in files]
    if not any(firsts):
        what = "the file is empty" if len(files) == 1 else "the files are empty"
        return UsageError(what, seen=", ".join(name for name, _ in files), expected="at least one row")
    first = next(first for first in firsts if first)
    file = files[firsts.index(first)]
    if isinstance(first, Rejected):
        return _unreadable(first, file[1])
    if columns and (reason := _unmapped(file, columns)):
        return UsageError(f"no row of {file[0]} can be mapped", seen=reason, expected="a row that the mapping reaches")
    return UsageError(
        "no reader knows this format",
        seen=_glimpse(file[0], first) + _by_catalogue(file),
        expected=_nearest(_columns_of(first, columns)) or "columns that a format knows: docs/formats.md lists them",
        hint=_hint(file, first, columns),
    )


def _by_catalogue(file: tuple[str, Path]) -> str:
    """What a catalogue says of a file's columns, if one describes it."""
    description = getattr(file, "description", None)
    if description is None or not description.columns:
        return ""
    named = ", ".join(f"{ours} is {theirs}" for ours, theirs in description.columns.items())
    return f"; {description.catalogue.name} says that {named}"


def _first(file: tuple[str, Path]) -> Row | Rejected | None:
    """The first row of a file, else what is in the place of one, else None."""
    items = list(islice(rows(*file), _LOOK))
    return next((item for item in items if isinstance(item, Row)), items[0] if items else None)


def _unreadable(first: Rejected, path: Path) -> UsageError:
    """The error for a file whose first row is none: what is wrong is its bytes, not its columns."""
    encoded = first.reason.startswith("not UTF-8")
    return UsageError(
        f"{first.file} cannot be read",
        seen=f"line {first.line}: {first.reason.partition(': iconv')[0]}",
        expected=_expected(first.reason, encoded=encoded),
        hint=converted(_head(path), first.file) if encoded else "",
    )


def _expected(reason: str, *, encoded: bool) -> str:
    if encoded:
        return "UTF-8"
    if "stands twice" in reason:
        return "each key of an object once"
    return "a JSON object a line" if "JSON" in reason else "a line with the names of the columns"


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)


def _unmapped(file: tuple[str, Path], columns: Columns) -> str:
    """Why a mapping gives no row at all, if it gives none."""
    items = list(islice(sourced(file[0], rows(*file), columns, lambda row: True), _LOOK))
    rejects = [item for item in items if isinstance(item, Rejected)]
    return f"{rejects[0].field}: {rejects[0].reason}" if rejects and len(rejects) == len(items) else ""


def _columns_of(first: Row, columns: Columns) -> list[str]:
    """The columns of a file's first row, or those that a mapping makes."""
    if columns:
        return list(columns)
    within = inside(first.value) if first.whole and isinstance(first.value, dict) else first.value
    value = within[0] if isinstance(within, list) and within else first.value
    return _names(value)


def _nearest(names: Sequence[str]) -> str:
    """The formats that share most columns with a row, and what it misses for each; "" where none is near."""
    there = {normed(name): name for name in names}
    found = []
    for format, needs in needed().items():
        has = [next((there[normed(name)] for name in one if normed(name) in there), None) for one in needs]
        free = {name: column for name, column in there.items() if column not in has}
        lacks = [_missing(one, free) for one, column in zip(needs, has, strict=True) if column is None]
        met = sum(column is not None for column in has) + sum("?" in lack for lack in lacks) / 2
        if met and len(lacks) <= _LACKING and met < len(needs):
            beside = f"has {', '.join(dict.fromkeys(column for column in has if column))}; " if any(has) else ""
            found.append((-met / len(needs), -met, f"{format} ({beside}misses {', '.join(lacks)})"))
    return "; ".join(words for _, _, words in sorted(found, key=lambda one: one[:2])[:_NEAREST])


def _missing(names: Sequence[str], free: Mapping[str, str]) -> str:
    """The column to say, and the one whose name may be a misspelling of it."""
    near = difflib.get_close_matches(normed(names[0]), free, 1, _SPELT)
    return f"{names[0]} (is it {free[near[0]]}?)" if near else names[0]


def misspelt(files: Sequence[tuple[str, Path]], columns: Columns) -> UsageError | None:
    """The error for a column of a mapping that stands in no row; None if each stands in one. Reads until it does."""
    left, names = dict(columns), dict[str, None]()
    for name, path in files:
        for item in rows(name, path):
            if not left:
                return None
            if not isinstance(item, Rejected):
                names |= dict.fromkeys(_names(item.value)) if len(names) < _LONG else {}
                left = {target: column for target, column in left.items() if not _leads(item, column)}
    if not left:
        return None
    target, column = next(iter(left.items()))
    wanted = column if isinstance(column, str) else ", ".join(column)
    near = difflib.get_close_matches(wanted, names, 1)
    return UsageError(
        f"no row has the column that {target} is to be read from",
        seen=wanted,
        expected=f"one of {', '.join(names)[:300]}",
        hint=f"did you mean {near[0]}?" if near else "a fixed text stands in quotes of its own: '\"…\"'",
    )


def _leads(item: Row, column: str | Sequence[str]) -> bool:
    if leads(item.value, column):
        return True
    within = inside(item.value) if item.whole else ""
    return not isinstance(within, str) and any(leads(row, column) for row in within)


def _names(value: Any) -> list[str]:
    return [str(name) for name in value] if isinstance(value, dict) else []


def _glimpse(name: str, first: Row) -> str:
    value = first.value
    within = inside(value) if first.whole else value
    if isinstance(within, str) and first.whole:
        return f"{name}, {within}"
    value = within[0] if first.whole and isinstance(within, list) and within else value
    held = f"columns {', '.join(map(str, value))}" if isinstance(value, dict) else kind(value)
    return f"{name} with {held[:200]}"


def _hint(file: tuple[str, Path], first: Row, columns: Columns) -> str:
    name, path = file
    see = "name the format with --format to see what is wrong with each row"
    if not isinstance(first.value, dict):
        return see
    if _is_data(path, first.value):
        return "the first line was taken for the names of the columns: put such a line above it"
    if columns:
        return (
            f"{', '.join(columns)} make no row by themselves: map question, options and answer; prompt and "
            "completion; or text"
        )
    if not suggested([file]).columns:
        why = "nothing in it both asks and answers" if _has_text(first.value) else "no cell is a text"
        return f"no mapping can read it: {why}"
    return f"`ponens parse {name} --suggest` prints a mapping of its columns, for parse.columns or --column"


def _is_data(path: Path, row: dict[str, Any]) -> bool:
    """Whether a table's header is itself a row: a name is long, a question or a number."""
    names = [name.strip() for name in map(str, row)]
    table = any(suffix in (".csv", ".tsv") for suffix in path.suffixes)
    return table and any(
        len(name) > _LONG or name.endswith(("?", "？")) or name.replace(".", "", 1).isdigit() for name in names if name
    )


def _has_text(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return isinstance(value, str) if inner is None else any(_has_text(cell) for cell in inner)
