"""One clock for all queries of SQLite: what asks the time of day is told `NOW`, on every machine and on every day.

`date('now')`, `strftime('%Y')` and CURRENT_TIMESTAMP would otherwise give a gold and a reply another answer around
midnight, and an evaluation another figure when it is run again. SQLite's own functions answer, for another instant.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from typing import Any

NOW = "2025-01-01 12:00:00"  # UTC, in which SQLite reckons
_WORDS = {"current_date": "date", "current_time": "time", "current_timestamp": "datetime"}
_FUNCTIONS = {
    "date": 0,
    "time": 0,
    "datetime": 0,
    "julianday": 0,
    "unixepoch": 0,
    "strftime": 1,
}  # where the time stands
_NAMED = re.compile(r"now|subsec", re.IGNORECASE)
_MODIFIERS = {"subsec", "subsecond"}  # that may stand where the time would


def fix(connection: sqlite3.Connection, clock: sqlite3.Connection) -> None:
    """Have the forms that name no time at all mean `NOW`; `clock` answers, and is nobody else's."""
    for word, function in _WORDS.items():
        connection.create_function(word, 0, _at_now(clock, function, 0), deterministic=True)
    for function, place in _known(clock).items():
        connection.create_function(function, place, _at_now(clock, function, place), deterministic=True)


def fix_named(connection: sqlite3.Connection, clock: sqlite3.Connection) -> None:
    """Have 'now' mean `NOW`, too. Each call then passes through Python, so this is for queries that `names_now`."""
    for function, place in _known(clock).items():
        connection.create_function(function, -1, _at_now(clock, function, place), deterministic=True)
    connection.create_function("timediff", 2, _at_now(clock, "timediff", 0), deterministic=True)


def names_now(sql: str) -> bool:
    """Whether a query may hold 'now'."""
    return _NAMED.search(sql) is not None


def _known(clock: sqlite3.Connection) -> dict[str, int]:
    """The functions of time that this SQLite has."""
    named = {name for (name,) in clock.execute("SELECT DISTINCT name FROM pragma_function_list")}
    return {name: place for name, place in _FUNCTIONS.items() if name in named}


def _at_now(clock: sqlite3.Connection, function: str, place: int) -> Callable[..., Any]:
    """The function, told the time that stands at `place`, or that is missing there."""

    def call(*given: Any) -> Any:
        values = [NOW if isinstance(value, str) and value.lower() == "now" else value for value in given]
        if len(values) == place or _is_modifier(values[place:]):
            values.insert(place, NOW)
        marks = ", ".join("?" * len(values))
        return clock.execute(f"SELECT {function}({marks})", values).fetchone()[0]

    return call


def _is_modifier(rest: list[Any]) -> bool:
    return bool(rest) and isinstance(rest[0], str) and rest[0].lower() in _MODIFIERS
