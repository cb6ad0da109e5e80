"""Lists and objects that stand in a text: as JSON, as Python prints them, or as numpy does, without its commas."""

from __future__ import annotations

import ast
import re
from contextlib import suppress

import orjson

_PRINTED = re.compile(r"\s*\[?\s*\{'\w+':")  # a dictionary as Python prints it, in a list or by itself
_BETWEEN = re.compile(r"\}\s+\{(?=')")  # of numpy, which prints no commas


def unpacked(value: object) -> object:
    """The list or object that a text says as JSON, or as Python prints turns; any other value as it is.

    An object that holds `messages` alone is these.
    """
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        return _printed(value)
    return found["messages"] if isinstance(found, dict) and list(found) == ["messages"] else found


def _printed(text: str) -> object:
    """Turns as pandas writes a list, or an array of numpy without its commas, into a table's cell; else the text."""
    if not _PRINTED.match(text):
        return text
    for form in (text, _BETWEEN.sub("}, {", text)):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return ast.literal_eval(form.strip())
    return text
