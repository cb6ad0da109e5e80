"""What readers of containers share: rows, broken ones, and the lines of a file that is opened as often as needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, BinaryIO, NamedTuple

from storage.sources import json_array

_HEAD = 64
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
        numbered = enumerate(iter(partial(file.readline, json_array.MAX_ROW), b""), start=1)
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
        text = value.decode()
    except UnicodeDecodeError as error:
        return Broken(line, f"not UTF-8 at byte {error.start + 1}: {converted(value)}")
    return Broken(line, f"not UTF-8: {converted(value)}") if _is_wide(value) else text


def converted(content: bytes, file: str = "FILE") -> str:
    """The command that makes a file UTF-8, from the encoding that these bytes of it look like."""
    name = encoding_of(content)
    known = name or "ENCODING"
    return f"iconv -f {known} -t UTF-8 {file} > NEW{'' if name else ', with BIG5, SHIFT_JIS or another for ENCODING'}"


def encoding_of(content: bytes) -> str:
    """What bytes that are no UTF-8 look like, as iconv calls it: UTF-16, GB18030, LATIN1; "" for none of these."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "UTF-16"
    if _is_wide(content):
        return "UTF-16BE" if content[:1] == b"\x00" else "UTF-16LE"
    high = re.findall(rb"[\x80-\xff]+", content)
    if all(len(run) == 1 for run in high):
        return "LATIN1"  # accents stand alone between letters
    if sum(map(len, re.findall(rb"(?:[\xa1-\xf7][\xa1-\xfe])+", content))) >= 0.8 * sum(map(len, high)):
        return "GB18030"
    return ""


def _is_wide(content: bytes) -> bool:
    """Whether every other byte at the beginning is a NUL, as in UTF-16 without its mark."""
    head = content[:_HEAD]
    return len(head) > 3 and max(head[::2].count(0), head[1::2].count(0)) * 4 > len(head)


def lost(first: int, last: int) -> str:
    """Which lines a broken row takes along."""
    return f"; lines {first} to {last} are lost" if last > first else ""
