"""Queries compared as text, where there is no database that they could run on.

Two are the same when their words are: names and keywords in any case, spaces as anyone sets them, strings in either
quotes, `!=` as `<>`, no closing semicolon. What stands within quotes is compared as it is.
"""

from __future__ import annotations

import re

_PIECE = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\w+|<>|!=|<=|>=|==|\S", re.DOTALL)
_SIGNS = {"!=": "<>", "==": "="}


def normal_query(text: str) -> str:
    """The form in which two queries are compared as text.

    >>> normal_query('select  Player from 1-10 where No.="21";')
    "select player from 1 - 10 where no . = '21'"
    """
    return " ".join(map(_normal, _PIECE.findall(text.strip().rstrip("; \n"))))


def _normal(piece: str) -> str:
    if len(piece) > 1 and piece[0] == piece[-1] and piece[0] in "'\"":
        inside = piece[1:-1].replace(piece[0] * 2, piece[0])
        return "'" + inside.replace("'", "''") + "'"
    return _SIGNS.get(piece, piece.lower())
