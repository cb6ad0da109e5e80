"""Aliases of an adapter's versions, `logic@champion`: where each points, and every move with its time and reason.

current(home, "logic")                                {"champion": 3}
append(home, Move("logic", "champion", 2, 3, …))      the caller holds the adapter's lock

One small file a name, `adapters/NAME/aliases.json`, written aside and renamed: a reader sees all moves or all
but the last, and where an alias points is never apart from why. `@latest` is no entry; it is the newest version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import orjson

from storage.artifacts import write_json
from storage.home import Home
from storage.records import PonensError, UsageError

FILE = "aliases.json"
LATEST, CHAMPION = "latest", "champion"
How = Literal["by hand", "gate", "force", "rollback", "removed"]
_ALIAS = re.compile(r"[a-z][a-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True)
class Move:
    """`alias` went from one version to another: from None where it was new, to None where it was taken away.

    `by` is who moved it, as user@host. `evidence` is what the gate saw, of a champion that it let through.
    """

    name: str
    alias: str
    before: int | None
    after: int | None
    at: str
    because: str
    by: str = ""
    how: How = "by hand"
    evidence: Mapping[str, Any] | None = None


def check_alias(alias: str) -> str:
    """The alias, if it can be set. UsageError otherwise; `latest` sets itself."""
    if alias == LATEST or not _ALIAS.fullmatch(alias):
        raise UsageError(
            "this alias cannot be set",
            seen=repr(alias),
            expected=f"a-z first, then a-z 0-9 _ -, at most 32, and not {LATEST!r}, which is always the newest version",
        )
    return alias


def moves(home: Home, name: str) -> list[Move]:
    """All moves of a name's aliases, oldest first. PonensError if the file is damaged."""
    file = home.adapters / name / FILE
    try:
        return [Move(**move) for move in orjson.loads(file.read_bytes())["moves"]]
    except FileNotFoundError:
        return []
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise PonensError(f"the aliases of {name!r} cannot be read", seen=error, hint=f"restore {file}") from None


def current(home: Home, name: str) -> dict[str, int]:
    """Where each alias of a name points now."""
    last = {move.alias: move.after for move in moves(home, name)}
    return {alias: number for alias, number in sorted(last.items()) if number is not None}


def append(home: Home, move: Move) -> None:
    """Note a move; on disk when this returns."""
    write_json(home.adapters / move.name / FILE, {"moves": [asdict(one) for one in (*moves(home, move.name), move)]})
