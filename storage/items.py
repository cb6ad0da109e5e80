"""What readers of containers share: rows, broken ones, and the lines of a file that is opened as often as needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, BinaryIO, NamedTuple

from storage import arrays

BOM = b"\xef\xbb\xbf"
BLANK = b" \t\r\n"
Open = Callable[[], BinaryIO]


class Row(NamedTuple):
    """What stands at one place of a file, decoded but not looked at; `whole` if it is all that the file holds."""

    line: int
    value: Any
    whole: bool = False


class Broken(Exception):
    """What is no row, in the place of one."""

    def __init__(self, line: int, reason: str, field: str = "line") -> None:
        self.line, self.reason, self.field = line, reason, field


Items = Iterator[Row | Broken]


def raw_lines(opened: Open) -> Iterator[tuple[int, bytes]]:
    """Every line with its end, numbered from 1, without a byte order mark."""
    with opened() as file:
        numbered = enumerate(iter(partial(file.readline, arrays.MAX_ROW), b""), start=1)
        for number, line in numbered:
            yield number, line.removeprefix(BOM)
            break
        yield from numbered


def full_lines(opened: Open) -> Iterator[tuple[int, bytes]]:
    """Lines with something on them, without the space around them."""
    for number, line in raw_lines(opened):
        if text := line.strip(BLANK):
            yield number, text


def text_of(line: int, value: bytes) -> str | Broken:
    """Bytes as text, or why they are none."""
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        return Broken(line, f"not UTF-8 at byte {error.start + 1}")


def lost(first: int, last: int) -> str:
    """Which lines a broken row takes along."""
    return f"; lines {first} to {last} are lost" if last > first else ""
