"""Rows out of any container: JSON lines, a JSON array, CSV, plain text, parquet, Arrow; packed or not.

    rows("data.jsonl.gz", path)   Row(1, {"id": …}), Row(3, {…}), Rejected("data.jsonl.gz", 4, "line", "broken JSON: …")

A row's line is where it begins; in a JSON array, parquet and Arrow it is the row's number, from 1.
What a file is, its name says; a name that says nothing, or `.json` and `.txt`, is looked into. Plain
text is a row {"text": …} a paragraph, or a line where a paragraph has more than a thousand of them.
Memory does not grow with the file, and no content raises.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from storage import arrays
from storage.records import Rejected

_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"
_PACKED = {".gz": "gzip", ".zst": "zstd"}
_ARROW_FILE = b"ARROW1"
_HEAD = 1 << 16
# what reading a damaged container raises; the last four are of damaged names and numbers in parquet
_TORN = (OSError, pa.ArrowException, ValueError, OverflowError, LookupError, SystemError)
_BATCH = 500
_PARAGRAPH = 1_000  # lines; a longer one is a list of lines


@dataclass(frozen=True, slots=True)
class Row:
    """What stands at one place of a file, decoded but not looked at."""

    line: int
    value: Any


class _Broken(Exception):
    def __init__(self, line: int, reason: str, field: str = "line") -> None:
        self.line, self.reason, self.field = line, reason, field


_Items = Iterator[Row | _Broken]


def rows(name: str, path: Path) -> Iterator[Row | Rejected]:
    """The rows of the file at `path`, in order, and in its place what is none; `name` is told in rejects."""
    last = 0
    try:
        for item in _reader(path)(path):
            last = item.line
            yield item if isinstance(item, Row) else Rejected(name, item.line, item.field, item.reason)
    except _TORN as error:  # what came before it stands
        yield Rejected(name, last + 1, "file", f"cannot be read on: {_first_line(error)}")


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines with something on them, numbered from 1, without a byte order mark or the space around them."""
    for number, line in _raw_lines(path):
        if text := line.strip(_BLANK):
            yield number, text


def _reader(path: Path) -> Callable[[Path], _Items]:
    suffix = path.with_suffix("").suffix if path.suffix.lower() in _PACKED else path.suffix
    named: dict[str, Callable[[Path], _Items]] = {
        ".jsonl": _json_lines,
        ".ndjson": _json_lines,
        ".csv": lambda path: _csv(path, ","),
        ".tsv": lambda path: _csv(path, "\t"),
        ".parquet": _parquet,
        ".arrow": _arrow,
    }
    return named.get(suffix.lower(), _looked_into)


def _looked_into(path: Path) -> _Items:
    with _opened(path) as file:  # not by lines: an array may be one
        first = file.read(_HEAD).removeprefix(_BOM).lstrip(_BLANK)[:1]
    if first == b"[":
        return _array(path)
    return _json_lines(path) if first == b"{" else _text(path)


def _opened(path: Path) -> BinaryIO:
    packing = _PACKED.get(path.suffix.lower())
    if packing is None:
        return path.open("rb")
    return cast(BinaryIO, io.BufferedReader(pa.input_stream(str(path), compression=packing)))


def _raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with _opened(path) as file:
        number = 0
        while line := file.readline(arrays.MAX_ROW):
            number += 1
            yield number, line.removeprefix(_BOM) if number == 1 else line


def _json_lines(path: Path) -> _Items:
    for number, line in lines(path):
        yield _decoded(number, line)


def _array(path: Path) -> _Items:
    number = 0
    with _opened(path) as file:
        try:
            for number, value in enumerate(arrays.values(file), start=1):
                yield _decoded(number, value)
        except arrays.Torn as torn:
            yield _Broken(number + 1, str(torn), "file")


def _decoded(line: int, value: bytes) -> Row | _Broken:
    try:
        return Row(line, orjson.loads(value))
    except orjson.JSONDecodeError as error:
        text = _text_of(line, value)
        return text if isinstance(text, _Broken) else _Broken(line, f"broken JSON: {error}")


def _text_of(line: int, value: bytes) -> str | _Broken:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        return _Broken(line, f"not UTF-8 at byte {error.start + 1}")


def _text(path: Path) -> _Items:
    block: list[tuple[int, bytes]] = []
    for number, line in _raw_lines(path):
        if line.strip(_BLANK):
            block.append((number, line.rstrip(b"\r\n")))
        if len(block) > _PARAGRAPH:
            for single in block:
                yield from _paragraph([single])
            block = []
        elif not line.strip(_BLANK):
            yield from _paragraph(block)
            block = []
    yield from _paragraph(block)


def _paragraph(block: list[tuple[int, bytes]]) -> _Items:
    if block:
        number = block[0][0]
        text = _text_of(number, b"\n".join(line for _, line in block))
        yield text if isinstance(text, _Broken) else Row(number, {"text": text})


def _csv(path: Path, delimiter: str) -> _Items:
    csv.field_size_limit(arrays.MAX_ROW)
    with io.TextIOWrapper(_opened(path), "utf-8-sig", "surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        names: list[str] | None = None
        end = 0
        while True:
            begin = end + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                end = reader.line_num
                yield _Broken(begin, f"broken CSV: {error}")
                continue
            end = reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if names is None:
                names = [cell.strip() for cell in cells]
                if len(set(names)) < len(names) or _stray(cells):
                    yield _Broken(begin, f"no header: {', '.join(cells)[:80]!a}", "file")
                    return
            elif len(cells) != len(names):
                yield _Broken(begin, f"{len(cells)} cells, expected {len(names)} as in the header")
            elif _stray(cells):
                yield _Broken(begin, "not UTF-8")
            else:
                yield Row(begin, dict(zip(names, cells, strict=True)))


def _stray(cells: list[str]) -> bool:
    return any("\udc80" <= char <= "\udcff" for cell in cells if not cell.isascii() for char in cell)


def _parquet(path: Path) -> _Items:
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 16) as file:
        yield from _batches(file.iter_batches(_BATCH))


def _arrow(path: Path) -> _Items:
    with pa.OSFile(str(path)) as file:  # not mapped: its pages would count as memory
        if file.read(len(_ARROW_FILE)) == _ARROW_FILE:
            opened = pa.ipc.open_file(file)
            yield from _batches(opened.get_batch(n) for n in range(opened.num_record_batches))
        else:
            file.seek(0)
            yield from _batches(iter(pa.ipc.open_stream(file)))


def _batches(batches: Iterator[pa.RecordBatch]) -> _Items:
    number = 0
    for batch in batches:
        step = _BATCH if _fault(batch) is None else 1
        for start in range(0, batch.num_rows, step):
            part = batch.slice(start, step)
            fault = _fault(part) if step == 1 else None
            for value in [fault] if fault else _values(part):
                number += 1
                if isinstance(value, Exception):
                    yield _Broken(number, _first_line(value))
                else:
                    # a column is there for every row: what is null here is absent
                    yield Row(number, {name: item for name, item in value.items() if item is not None})


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
