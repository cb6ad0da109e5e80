"""What readers of containers share: rows, broken ones, and the lines of a file that is opened as often as needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from storage import arrays

BOM = b"\xef\xbb\xbf"
BLANK = b" \t\r\n"
Open = Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class Row:
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
        number = 0
        while line := file.readline(arrays.MAX_ROW):
            number += 1
            yield number, line.removeprefix(BOM) if number == 1 else line


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
