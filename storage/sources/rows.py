"""Rows out of any container: JSON, tables, plain text, parquet, Arrow; packed or not, in a zip or not.

    rows("data.jsonl.gz", path)   Row(1, {"id": …}), Row(3, {…}), Rejected("data.jsonl.gz", 4, "line", "broken JSON: …")

A row's line is where it begins; in a JSON array, parquet and Arrow it is the row's number, from 1.
What a file is, its name says; a name that says nothing, or `.json` and `.txt`, is looked into. Memory
does not grow with the file, and no content raises.
"""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from storage.records import Rejected
from storage.sources import json_rows, text_rows
from storage.sources.container import BLANK, BOM, Broken, Items, Open, Row, full_lines
from storage.sources.hub_features import Features, features

__all__ = ["Row", "lines", "rows"]

_PACKED = {".gz": "gzip", ".zst": "zstd"}
_ARROW_FILE = b"ARROW1"
_HEAD = 1 << 16
# what reading a damaged container raises; the last of them are of damaged names and numbers in parquet, and of zips
_TORN = (
    *(OSError, pa.ArrowException, ValueError, OverflowError, LookupError, SystemError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError, EOFError),
)
_BATCH = 500
_NO_ROWS = ("dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json")  # what lies beside rows
_UNPACKED = 1 << 33  # bytes that a zip may unpack to, if they are more than
_RATIO = 200  # times what it takes
_IN_MEMORY = 1 << 28  # bytes of a parquet or Arrow file in a zip


def rows(name: str, path: Path) -> Iterator[Row | Rejected]:
    """The rows of the file at `path`, in order, and in its place what is none; `name` is told in rejects."""
    last = 0
    try:
        if path.suffix.lower() == ".zip":
            yield from _zipped(name, path)
            return
        for item in _items(path):
            last = item.line
            yield item if isinstance(item, Row) else Rejected(name, item.line, item.field, item.reason)
    except _TORN as error:  # what came before it stands
        yield Rejected(name, last + 1, "file", f"cannot be read on: {_first_line(error)}")


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines with something on them, numbered from 1, without a byte order mark or the space around them."""
    return full_lines(lambda: _opened(path))


def _items(path: Path) -> Items:
    suffix = _suffix(path)
    if suffix in (".parquet", ".arrow"):
        return _table_items(suffix, path)
    return _text_items(suffix, lambda: _opened(path))


def _table_items(suffix: str, path: Path) -> Items:
    if suffix == ".parquet":
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 16) as file:
            yield from _parquet(file)
    else:
        with pa.OSFile(str(path)) as source:  # not mapped: its pages would count as memory
            yield from _arrow(source)


def _text_items(suffix: str, opened: Open) -> Items:
    named: dict[str, Callable[[Open], Items]] = {
        ".jsonl": json_rows.lines,
        ".ndjson": json_rows.lines,
        ".csv": lambda opened: text_rows.table(opened, ","),
        ".tsv": lambda opened: text_rows.table(opened, "\t"),
    }
    return named.get(suffix, _looked_into)(opened)


def _looked_into(opened: Open) -> Items:
    with opened() as file:  # not by lines: an array may be one
        first = file.read(_HEAD).removeprefix(BOM).lstrip(BLANK)[:1]
    if first == b"[":
        return json_rows.array(opened)
    return json_rows.lines(opened, single=True) if first == b"{" else text_rows.paragraphs(opened)


def _suffix(path: PurePath) -> str:
    packed = path.suffix.lower() in _PACKED
    return (path.with_suffix("").suffix if packed else path.suffix).lower()


def _opened(path: Path) -> BinaryIO:
    packing = _PACKED.get(path.suffix.lower())
    if packing is None:
        return path.open("rb")
    return cast(BinaryIO, io.BufferedReader(pa.input_stream(str(path), compression=packing)))


def _zipped(name: str, path: Path) -> Iterator[Row | Rejected]:
    """The rows of a zip's members, one member after the other."""
    with zipfile.ZipFile(path) as packed:
        members = [member for member in packed.infolist() if not _hidden(member)]
        size = sum(member.file_size for member in members)
        if size > _UNPACKED and size > _RATIO * path.stat().st_size:
            yield Rejected(name, 1, "file", f"unpacks to {size >> 30} GiB: unpack it by hand if that is right")
            return
        tables = [member for member in members if _suffix(PurePath(member.filename)) not in (".txt", ".md", "")]
        for member in tables or members:
            inside, last = f"{name}/{member.filename}", 0
            try:
                for item in _member(packed, member):
                    last = item.line
                    yield item if isinstance(item, Row) else Rejected(inside, item.line, item.field, item.reason)
            except _TORN as error:
                yield Rejected(inside, last + 1, "file", f"cannot be read on: {_first_line(error)}")


def _hidden(member: zipfile.ZipInfo) -> bool:
    place = PurePath(member.filename)
    beside = place.name in _NO_ROWS or place.stem.lower() in ("readme", "license", "licence")
    return member.is_dir() or beside or any(part[:1] == "." or part == "__MACOSX" for part in place.parts)


def _member(packed: zipfile.ZipFile, member: zipfile.ZipInfo) -> Items:
    suffix = _suffix(PurePath(member.filename))
    if suffix not in (".parquet", ".arrow"):
        yield from _text_items(suffix, lambda: cast(BinaryIO, packed.open(member)))
    elif member.file_size > _IN_MEMORY:
        yield Broken(1, f"{member.file_size >> 20} MiB in a zip: unpack it", "file")
    else:
        content = pa.BufferReader(packed.read(member))
        yield from _parquet(pq.ParquetFile(content)) if suffix == ".parquet" else _arrow(content)


def _parquet(file: pq.ParquetFile) -> Items:
    yield from _batches(file.iter_batches(_BATCH), features(file.schema_arrow))


def _arrow(file: pa.NativeFile) -> Items:
    if file.read(len(_ARROW_FILE)) == _ARROW_FILE:
        opened = pa.ipc.open_file(file)
        batches = (opened.get_batch(n) for n in range(opened.num_record_batches))
        yield from _batches(batches, features(opened.schema))
    else:
        file.seek(0)
        stream = pa.ipc.open_stream(file)
        yield from _batches(iter(stream), features(stream.schema))


def _batches(batches: Iterator[pa.RecordBatch], named: Features) -> Items:
    number = 0
    for batch in batches:
        step = _BATCH if _fault(batch) is None else 1
        for start in range(0, batch.num_rows, step):
            part = batch.slice(start, step)
            fault = _fault(part) if step == 1 else None
            for value in [fault] if fault else _values(part):
                number += 1
                if isinstance(value, Exception):
                    yield Broken(number, _first_line(value))
                else:
                    # a column is there for every row: what is null here is absent
                    present = {name: item for name, item in value.items() if item is not None}
                    yield Row(number, named(present) if named else present)


def _fault(batch: pa.RecordBatch) -> Exception | None:
    """What is damaged in a batch. Without this look a damaged offset is followed wherever it leads."""
    try:
        batch.validate(full=True)
    except pa.ArrowException as error:
        return cast(Exception, error)
    return None


def _values(batch: pa.RecordBatch) -> list[Any]:
    try:
        found: list[Any] = batch.to_pylist()
        return found
    except (ValueError, OverflowError, LookupError) as error:  # such as a date beyond Python's
        if batch.num_rows == 1:
            return [error]
        return [value for n in range(batch.num_rows) for value in _values(batch.slice(n, 1))]


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
