"""The values of a JSON array, one after the other.

    values(file)   [{"a": 1}, {"b": 2}]  ->  (1, b'{"a": 1}'), (1, b'{"b": 2}')

Only strings and brackets are looked at; what stands between two commas is cut out unread. So a broken
row costs that row and no other, where an event parser such as ijson would end at it, and memory does
not grow with the file.
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
    """The array does not go on as one; what came before stands. `rest` is what was not cut out, from `line` on."""

    def __init__(self, reason: str, line: int, rest: bytes = b"") -> None:
        self.line, self.rest = line, rest
        super().__init__(reason)


def values(file: BinaryIO, before: int = 0) -> Iterator[tuple[int, bytes]]:
    """The line of each value in the array that `file` holds, and its bytes without the space around them.

    A gap between two commas is passed over; `before` are lines above the file's first. Torn if the array
    does not end, if something stands after it, or at a value of more than MAX_ROW bytes.
    """
    line, counted = before + 1, 0  # the line of buffer[counted]

    def cut(start: int, end: int) -> tuple[int, bytes]:
        nonlocal line, counted
        value = buffer[start:end].lstrip()
        begin = end - len(value)
        line += buffer.count(b"\n", counted, begin)
        counted = begin
        return line, value.rstrip()

    depth, start, at = 0, 0, 0
    buffer = b""
    while chunk := file.read(max(_CHUNK, len(buffer) - start)):
        line += buffer.count(b"\n", counted, start)
        buffer, at, start, counted = buffer[start:] + chunk, at - start, 0, max(0, counted - start)
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
                if (found := cut(start, hit.start()))[1]:
                    yield found
                start = at
                if token == b"]":
                    if (buffer[at:] + file.read(_CHUNK)).strip():
                        raise Torn("something stands after the end of the array", cut(at, at)[0])
                    return
        else:
            at = len(buffer)
        if len(buffer) - start > MAX_ROW:
            raise Torn(f"a row of more than {MAX_ROW >> 20} MiB: what follows is not read", *cut(start, len(buffer)))
    raise Torn("the file ends before its array does", *cut(start, len(buffer)))
