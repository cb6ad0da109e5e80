"""What to say of files that no format knows, and of a mapping that leads nowhere."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from storage.formats.base import kind
from storage.inside import inside
from storage.mapping import Columns, leads
from storage.records import Rejected, UsageError
from storage.rows import Row, rows

_LONG = 60  # characters of a name that is no name


def unknown(files: Sequence[tuple[str, Path]], columns: Columns, formats: Iterable[str]) -> UsageError:
    """The error for files of which no format knows a row. Mapping is advised only where it can work."""
    firsts = [next(rows(name, path), None) for name, path in files]
    if not any(firsts):
        what = "the file is empty" if len(files) == 1 else "the files are empty"
        return UsageError(what, seen=", ".join(name for name, _ in files), expected="at least one row")
    first = next(first for first in firsts if first)
    return UsageError(
        "no reader knows this format",
        seen=_glimpse(files[firsts.index(first)][0], first),
        expected=f"one of {', '.join(formats)}",
        hint=_hint(files[firsts.index(first)], first, columns),
    )


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


def _glimpse(name: str, first: Row | Rejected) -> str:
    if isinstance(first, Rejected):
        return f"{name}:{first.line} {first.reason}"
    value = first.value
    within = inside(value) if first.whole else value
    if isinstance(within, str) and first.whole:
        return f"{name}, {within}"
    value = within[0] if first.whole and isinstance(within, list) and within else value
    held = f"columns {', '.join(map(str, value))}" if isinstance(value, dict) else kind(value)
    return f"{name} with {held[:200]}"


def _hint(file: tuple[str, Path], first: Row | Rejected, columns: Columns) -> str:
    name, path = file
    see = "name the format with --format to see what is wrong with each row"
    if isinstance(first, Rejected) or not isinstance(first.value, dict):
        return see
    if _is_data(path, first.value):
        return "the first line was taken for the names of the columns: put such a line above it"
    if columns:
        return (
            f"{', '.join(columns)} make no row by themselves: map question, options and answer; prompt and "
            "completion; or text"
        )
    if not any(isinstance(cell, str) for cell in _leaves(first.value)):
        return see
    return f"`ponens parse {name} --suggest` prints a mapping of its columns, for parse.columns or --column"


def _is_data(path: Path, row: dict[str, Any]) -> bool:
    """Whether a table's header is itself a row: a name is long, a question or a number."""
    names = [name.strip() for name in map(str, row)]
    table = any(suffix in (".csv", ".tsv") for suffix in path.suffixes)
    return table and any(
        len(name) > _LONG or name.endswith(("?", "？")) or name.replace(".", "", 1).isdigit() for name in names if name
    )


def _leaves(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return [value] if inner is None else [leaf for cell in inner for leaf in _leaves(cell)]
