"""The values of a JSON array, one after the other.

    values(file)   [{"a": 1}, {"b": 2}]  ->  b'{"a": 1}', b'{"b": 2}'

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
    """The array does not go on as one; what came before stands."""


def values(file: BinaryIO) -> Iterator[bytes]:
    """The bytes of each value in the array that `file` holds, without the space around them.

    A gap between two commas is passed over. Torn if the array does not end, if something stands after
    it, or at a value of more than MAX_ROW bytes.
    """
    depth, start, at = 0, 0, 0
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
                if value := buffer[start : hit.start()].strip():
                    yield value
                start = at
                if token == b"]":
                    if (buffer[at:] + file.read(_CHUNK)).strip():
                        raise Torn("something stands after the end of the array")
                    return
        else:
            at = len(buffer)
        if len(buffer) - start > MAX_ROW:
            raise Torn(f"a row of more than {MAX_ROW >> 20} MiB")
    if value := buffer[start:].strip():
        yield value
    raise Torn("the file ends before its array does")
