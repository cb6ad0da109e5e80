"""The champion of a name: the version behind `@champion`, who was it before, and the way back.

champion(home, "logic")          the adapter, or None while there is none
promote(home, adapter, seen, …)  moves the alias if it still points at `seen`
rollback(home, "logic", "…")     to the champion before
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from storage.adapters import aliases, registry
from storage.adapters import versions as adapters
from storage.adapters.aliases import CHAMPION, Move
from storage.adapters.versions import Adapter
from storage.home import Home
from storage.records import UsageError


def champion(home: Home, name: str) -> Adapter | None:
    """The present champion; None while there is none. PonensError if the aliases cannot be read."""
    number = aliases.current(home, adapters.check_name(name)).get(CHAMPION)
    return None if number is None else _version(home, name, number)


def promote(
    home: Home,
    adapter: Adapter,
    seen: Adapter | None,
    how: Literal["gate", "force"],
    because: str,
    evidence: Mapping[str, Any] | None = None,
) -> Move | None:
    """Make it the champion in place of `seen`; None if it is already. Overtaken if `seen` is champion no more."""
    before = seen.number if seen else None
    return registry.set_alias(home, adapter, CHAMPION, because, how=how, evidence=evidence, seen=before)


def rollback(home: Home, name: str, because: str = "") -> Move:
    """Point the alias at the champion before. UsageError where there was none, or none that is still there.

    Each rollback goes one further back; a promotion after it starts from where it led.
    """
    present = champion(home, name)
    number = present.number if present else None
    before = [n for n in line(home, name) if n != number]
    if not before:
        raise UsageError(
            f"there is no champion of {name!r} to go back to",
            seen=f"{present} is the only one that is there" if present else "it never had one that is still there",
            hint=f"`ponens adapters history {name}` shows all moves",
        )
    target = _version(home, name, before[-1])
    move = registry.set_alias(home, target, CHAMPION, because, how="rollback", seen=number)
    assert move is not None
    return move


def moves(home: Home, name: str) -> list[Move]:
    """All moves of the champion's alias, oldest first."""
    return [move for move in aliases.moves(home, name) if move.alias == CHAMPION]


def line(home: Home, name: str) -> list[int]:
    """The champions on the way to the present one, which is last; versions that were removed are left out.

    Where a rollback took the alias from is no longer on the way.
    """
    way: list[int] = []
    for move in moves(home, name):
        if move.after is None:
            way = [number for number in way if number != move.before]
            continue
        if move.how == "rollback":
            while way and way[-1] != move.after:
                way.pop()
        if way[-1:] != [move.after]:
            way.append(move.after)
    there = adapters.versions(home, name)
    return [number for number in way if number in there]


def _version(home: Home, name: str, number: int) -> Adapter:
    return Adapter(name, number, home.adapters / name / str(number))
