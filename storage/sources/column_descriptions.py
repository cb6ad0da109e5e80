"""What BIRD's databases say of their columns, in files beside them, a table each.

    NAME/NAME.sqlite, NAME/database_description/TABLE.csv
    original_column_name,column_name,column_description,data_format,value_description

Spreadsheets of several kinds wrote these files: in UTF-8 with and without a mark, in UTF-16, in Windows-1252, and
in two of them by turns. What had to be guessed is a remark.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from storage.artifacts import sha256
from storage.records import digest

FOLDER = "database_description"
_NAME = "original_column_name"
_SAID = ("column_name", "column_description", "value_description")
_UTF_16, _UTF_8 = (b"\xff\xfe", b"\xfe\xff"), b"\xef\xbb\xbf"
_LOST = "\ufffd"


class Undescribed(Exception):
    """Why a file describes nothing."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a file says: (name, data format, words) of each column, and how it was read where that was a guess."""

    columns: Sequence[tuple[str, str, str]]
    remark: str = ""


def files(roots: Iterable[Path], name: str) -> dict[str, Path]:
    """The files of a database by their tables' names in lower case, from the first root that has any."""
    if not name or Path(name).name != name or name.startswith("."):
        return {}
    for root in roots:
        found = sorted(file for file in (root / name).glob("*/*") if _describes(file))
        if found:
            return {file.stem.strip().lower(): file for file in found}
    return {}


def fingerprint(roots: Iterable[Path]) -> str:
    """64 hex digits over the names and bytes of all files below these folders."""
    found = [(root, file) for root in roots for file in sorted(root.glob("*/*/*")) if _describes(file)]
    return digest([[file.relative_to(root).as_posix(), sha256(file)] for root, file in found])


def read(file: Path) -> Table:
    """What a file says of each column that it names. Undescribed if it cannot be read, or names none."""
    try:
        text, remark = _decoded(file.read_bytes())
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text), restkey="")
        rows.fieldnames = [(name or "").strip().lower() for name in rows.fieldnames or ()]
        if _NAME not in rows.fieldnames:
            raise Undescribed(f"no column {_NAME}")
        columns = [_column(row) for row in rows]
    except (OSError, UnicodeError, csv.Error) as error:
        raise Undescribed(str(error)) from None
    return Table([column for column in columns if column[0]], remark)


def _describes(file: Path) -> bool:
    return file.parent.name.lower() == FOLDER and file.suffix.lower() == ".csv" and file.name[0] not in ".~"


def _decoded(content: bytes) -> tuple[str, str]:
    """The text of a file, and what of it is guessed; most lines of a mixed file are UTF-8."""
    if content.startswith(_UTF_16):
        return content.decode("utf-16"), ""
    guessed, lines = 0, list[str]()
    for line in content.removeprefix(_UTF_8).splitlines(keepends=True):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            lines.append(line.decode("cp1252", "replace"))
            guessed += 1
    text = "".join(lines)
    lost = f", {text.count(_LOST)} characters lost" if _LOST in text else ""
    remark = f"{guessed} lines are no UTF-8 and are read as Windows-1252{lost}" if guessed else lost.lstrip(", ")
    return text.replace(_LOST, "").replace("\x00", ""), remark


def _delimiter(text: str) -> str:
    head = text.lstrip().split("\n", 1)[0]
    return max(",;\t", key=head.count)


def _column(row: dict[str, str | list[str] | None]) -> tuple[str, str, str]:
    """A row's column: its name, its data format, and what is said of it, each thing once."""
    more = row.get("")
    beyond = [cell.strip() for cell in more] if isinstance(more, list) else []  # of an unquoted text with commas
    cells = {name: " ".join(str(value or "").split()) for name, value in row.items() if name}
    cells["value_description"] = ", ".join(filter(None, [cells.get("value_description", ""), *beyond]))
    name = cells[_NAME]
    said = list[str]()
    for text in (cells.get(field, "") for field in _SAID):
        if text and text.lower() not in (name.lower(), *(other.lower() for other in said)):
            said.append(text)
    return name, cells.get("data_format", ""), "; ".join(said)
