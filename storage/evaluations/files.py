"""A file of any container as rows or as one document, whatever its name says.

    opened(path).first    the first row, or the document, by which a reader knows its own
    opened(path).rows()   every row with its line

JSON lines, a JSON document or list, CSV, parquet, Arrow, a zip; packed by gzip or Zstandard. A byte order mark is
skipped, NaN is read as Python writes it, half a surrogate becomes U+FFFD. What breaks off is an error that says where.
"""

from __future__ import annotations

import gzip
import importlib
import json
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from storage.records import Rejected, UsageError

_BOM = b"\xef\xbb\xbf"
_TABLES = {".csv", ".tsv", ".parquet", ".arrow"}


class Opened:
    """One file, looked into once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _trouble(path), self._bytes() as file:
            head = file.read(1 << 12).removeprefix(_BOM).lstrip()
        self.is_zip = head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06")
        self.is_parquet = head.startswith(b"PAR1")
        self.is_table = path.suffix.lower() in _TABLES or self.is_parquet or head.startswith(b"ARROW1")
        self.is_empty = not head

    @cached_property
    def first(self) -> Any:
        """The first row of lines, a table or a list; a document whole; None of a zip or where there is nothing."""
        if self.is_zip or self.is_empty:
            return None
        if self.document is not None:
            return self.document[0] if isinstance(self.document, list) and self.document else self.document
        return next((value for _, value in self.rows()), None)

    @cached_property
    def document(self) -> Any:
        """The one JSON value that the file is; None where it is lines or a table."""
        if self.is_zip or self.is_table or self.is_empty:
            return None
        with _trouble(self.path), self._bytes() as file:
            line = _first_line(file)
            rest = any(more.strip() for more in file)
            if line.startswith(b"{") and (rest or self.path.suffix.lower() in {".jsonl", ".ndjson"}) and _whole(line):
                return None
            if not line.startswith((b"{", b"[")):
                return None
        with _trouble(self.path), self._bytes() as file:
            return parsed(file.read().removeprefix(_BOM), str(self.path))

    def rows(self) -> Iterator[tuple[int, Any]]:
        """Every row with its line. UsageError at the first that cannot be read."""
        if self.is_table:
            yield from self._table()
        elif self.document is not None:
            yield from enumerate(self.document if isinstance(self.document, list) else [self.document], 1)
        else:
            with _trouble(self.path), self._bytes() as file:
                for number, line in enumerate(file, 1):
                    if line := (line.removeprefix(_BOM) if number == 1 else line).strip():
                        try:
                            value = orjson.loads(line)
                        except ValueError:
                            value = parsed(line, f"{self.path}, line {number}")
                        yield number, value

    def _table(self) -> Iterator[tuple[int, Any]]:
        from storage.sources.rows import rows as container_rows  # pyarrow: most results are JSON, and wait for nothing

        for row in container_rows(self.path.name, self.path):
            if isinstance(row, Rejected):
                raise UsageError(
                    f"{self.path}, {row.field} {row.line}", seen=row.reason, expected="a table that is whole"
                )
            yield row.line, row.value

    def _bytes(self) -> BinaryIO:
        suffix = self.path.suffix.lower()
        if suffix == ".gz":
            return cast(BinaryIO, gzip.open(self.path))
        return cast(BinaryIO, _zstd().open(self.path)) if suffix == ".zst" else self.path.open("rb")


class _trouble:
    """What goes wrong with a file's bytes becomes an error that names it."""

    def __init__(self, path: Path | str) -> None:
        self.path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, UsageError):  # libraries raise all kinds
            raise UsageError(
                f"{self.path} cannot be read",
                seen=f"{type(error).__name__}: {error}",
                expected="a file that is whole",
                hint="write it anew, or take it from a backup",
            ) from None


def parsed(content: bytes, where: str) -> Any:
    """JSON as any tool writes it. UsageError that says where it ends to be."""
    try:
        return orjson.loads(content)
    except ValueError as error:
        broken = error
    try:
        return _sound(json.loads(content.decode("utf-8", "replace")))
    except (ValueError, RecursionError):
        raise UsageError(
            where,
            seen=f"broken JSON: {broken}; it ends in {content[-40:].decode('utf-8', 'replace')!r}",
            expected="whole JSON",
            hint="the log broke off or was changed: write it anew",
        ) from None


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    """The files inside a zip, by name. UsageError where it is torn."""
    with _trouble(path), _zipfile().ZipFile(path) as packed:
        for entry in packed.infolist():
            if not entry.is_dir():
                yield entry.filename, packed.read(entry)


def names(path: Path) -> list[str]:
    """The names inside a zip."""
    with _trouble(path), _zipfile().ZipFile(path) as packed:
        return [str(name) for name in packed.namelist()]


def _zstd() -> Any:
    """Python's own from 3.14 on."""
    return importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


def _zipfile() -> Any:
    """The zipfile that knows Zstandard."""
    return importlib.import_module("zipfile" if sys.version_info >= (3, 14) else "backports.zstd.zipfile")


def _first_line(file: BinaryIO) -> bytes:
    for number, line in enumerate(file):
        if line := (line if number else line.removeprefix(_BOM)).strip():
            return bytes(line)
    return b""


def _whole(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except ValueError:
        try:
            json.loads(line)
        except (ValueError, RecursionError):
            return False
    return True


def _sound(value: Any) -> Any:
    """The value with U+FFFD in place of half a surrogate, which nothing can write again."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_sound(part) for part in value]
    if isinstance(value, dict):
        return {_sound(name): _sound(part) for name, part in value.items()}
    return value
