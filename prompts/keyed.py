r"""Texts within a reply that is, or holds, an object: {"sql": "SELECT …"}, as JSON or as Python writes it.

    texts('{"thought": "…", "sql": "SELECT \"a\"\nFROM t"}')     Keyed('SELECT "a"\nFROM t', closed=True)

Only what stands at a key that means a query is one: a thought may begin with "Select", too.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

_KEY = re.compile(
    r"""(?P<mark>["'])[^"'\n]{0,20}(?:sql|query|answer|statement|code|output|response|result|查询|语句|答案)[^"'\n]{0,20}(?P=mark)"""
    r"""\s*:\s*(?P<quote>["'])""",
    re.IGNORECASE,
)
_MOST, _ENDS = 64, 40  # texts of a reply, quotes that are tried as the end of one


class Keyed(NamedTuple):
    """A text at such a key, and whether its end is there."""

    text: str
    closed: bool


def texts(reply: str, complete: Callable[[str], bool]) -> Iterator[Keyed]:
    """The texts at keys of a query; each ends at the first quote at which it is `complete`, else at the first."""
    for hit in islice(_KEY.finditer(reply), _MOST):
        quote, start = hit["quote"], hit.end()
        ends = list(_quotes(reply, start, quote))
        read = [_decoded(reply[start:end], quote) for end in ends] or [_decoded(reply[start:], quote)]
        yield Keyed(next(filter(complete, read), read[0]), bool(ends))


def _quotes(reply: str, start: int, quote: str) -> Iterator[int]:
    """Where quotes without a backslash stand, up to the next key."""
    following = _KEY.search(reply, start)
    limit = following.start() if following else len(reply)
    unescaped = re.compile(rf"(?<!\\)(?:\\\\)*{quote}")
    for count, hit in enumerate(unescaped.finditer(reply, start, limit)):
        if count == _ENDS:
            return
        yield hit.end() - 1


def _decoded(text: str, quote: str) -> str:
    """What a text between quotes says; as it is where its escapes make no sense."""
    try:
        if quote == '"':
            return str(json.loads(f'"{_escaped(text)}"', strict=False))
        return str(ast.literal_eval(f"'''{_escaped(text)}'''"))
    except (ValueError, SyntaxError, MemoryError):
        return text


def _escaped(text: str) -> str:
    """The text with a backslash before the double quotes that have none: those were tried as its end."""
    return re.sub(r'(?<!\\)((?:\\\\)*)"', r'\1\\"', text)
