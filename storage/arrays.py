"""The values of a JSON array, one after the other, each with the line it begins on.

    values(file)   b'[{"a": 1},\\n {"b": 2}]'  ->  (1, b'{"a": 1}'), (2, b'{"b": 2}')

Only strings and brackets are looked at; what stands between two commas is cut out unread. So a broken
row costs that row and no other, its line can be told, and memory does not grow with the file: things
that an event parser such as ijson does not give.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

MAX_ROW = 1 << 26
_CHUNK = 1 << 18
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
# a whole object with nothing nested in it, a whole string, or one byte: a bracket, a comma, or the
# quote of a string that ends further on
_TOKEN = re.compile(rb'\{[^][{}"]*+(?:%b[^][{}"]*+)*+\}|%b|[][{},"]' % (_STRING, _STRING), re.DOTALL)


class Torn(Exception):
    """The array does not go on as one from this line on; what came before it stands."""

    def __init__(self, line: int, reason: str) -> None:
        self.line, self.reason = line, reason
        super().__init__(reason)


def values(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines, counted from 1, and bytes of the values in the array that `file` holds.

    A gap between two commas is passed over. Torn if the array does not end, if something stands after
    it, or at a value of more than MAX_ROW bytes.
    """
    line, depth, start, at = 1, 0, 0, 0
    buffer = b""
    while chunk := file.read(max(_CHUNK, len(buffer) - start)):
        buffer, at, start = buffer[start:] + chunk, at - start, 0
        while hit := _TOKEN.search(buffer, at):
            token, at = hit.group(), hit.end()
            if token == b'"':
                at = hit.start()
                break
            if token in (b"[", b"{"):
                depth += 1
                start = at if depth == 1 else start
            elif depth > 1 and token in (b"]", b"}"):
                depth -= 1
            elif depth == 1 and token in (b",", b"]"):
                raw = buffer[start : hit.start()]
                if raw.strip():
                    yield line + _lead(raw), raw.strip()
                line, start = line + raw.count(b"\n"), at
                if token == b"]":
                    return _end(buffer[at:] + file.read(_CHUNK), line)
        else:
            at = len(buffer)
        if len(buffer) - start > MAX_ROW:
            raise Torn(line, f"a row of more than {MAX_ROW >> 20} MiB")
    left = buffer[start:]
    if left.strip():
        yield line + _lead(left), left.strip()
    raise Torn(line + left.count(b"\n"), "the file ends before its array does")


def _end(left: bytes, line: int) -> None:
    if left.strip():
        raise Torn(line + _lead(left), "something stands after the end of the array")


def _lead(raw: bytes) -> int:
    return raw[: len(raw) - len(raw.lstrip())].count(b"\n")
