"""Which item of one side is which of the other: by id, by document, by prompt, and by position last, with a warning."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from evals.answers import folded, plain
from storage.evaluations.items import Item, Task
from storage.records import UsageError

_SHOWN = 3
_KINDS = ("id", "document", "prompt")
_index = attrgetter("index")
_Keyed = dict[Hashable, Item]


@dataclass(slots=True)
class Matched:
    """Pairs of items, what they were matched by, and the names of those that only one side has."""

    by: str
    pairs: list[tuple[Item, Item]]
    only_a: list[str]
    only_b: list[str]
    warnings: list[str] = field(default_factory=list)


def match(a: Task, b: Task, names: tuple[str, str], *, allow_missing: bool) -> Matched:
    """The items that both sides have. UsageError where some are missing and may not be, or where keys differ."""
    sides: dict[str, tuple[_Keyed, _Keyed]] = {}
    common: dict[str, int] = {}
    ordered = [sorted(task.items, key=_index) for task in (a, b)]
    for kind in _KINDS:
        ours, theirs = (_keyed(items, kind) for items in ordered)
        if ours and theirs:
            sides[kind], common[kind] = (ours, theirs), len(ours.keys() & theirs.keys())
            if common[kind] == len(ours) == len(theirs):
                break  # nothing can match more
    kind = max(common, key=lambda kind: common[kind], default="")
    if not kind or not common[kind]:
        return _by_position(a, b, names, common)
    ours, theirs = sides[kind]
    found = Matched(
        kind,
        [(ours[key], theirs[key]) for key in ours if key in theirs],
        [named(item) for key, item in ours.items() if key not in theirs],
        [named(item) for key, item in theirs.items() if key not in ours],
    )
    if (found.only_a or found.only_b) and not allow_missing:
        raise _missing(a, found, names)
    if twice := sum(isinstance(key, tuple) for key in ours):
        found.warnings.append(
            f"{twice} questions of {a.name or names[0]} repeat a {kind}: they are told apart by their order"
        )
    if kind == "prompt" and common.get("id") == 0:
        found.warnings.append("no id is on both sides: questions are matched by their prompts")
    _keys_agree(found, names)
    return found


def named(item: Item) -> str:
    """What people call an item."""
    own = item.fields.get("id", item.fields.get("source_id"))
    return item.id or (str(own) if isinstance(own, (str, int)) else str(item.index))


def _keyed(items: Sequence[Item], kind: str) -> _Keyed:
    """Items by what they are matched by, with how often that came before where it did; {} where one has none."""
    found: _Keyed = {}
    times: dict[str, int] = {}
    of = attrgetter(kind)
    for item in items:
        if not (key := " ".join(of(item).split())):
            return {}
        if key in found:
            times[key] = times.get(key, 0) + 1
            found[key, times[key]] = item
        else:
            found[key] = item
    return found


def _missing(a: Task, found: Matched, names: tuple[str, str]) -> UsageError:
    said = [
        f"{len(only)} only in {name}, such as {', '.join(map(repr, only[:_SHOWN]))}"
        for only, name in ((found.only_a, names[0]), (found.only_b, names[1]))
        if only
    ]
    return UsageError(
        f"task {a.name!r}: {names[0]} and {names[1]} have other questions"
        if a.name
        else "the sides have other questions",
        seen=f"{len(found.pairs)} in common by {found.by}; {'; '.join(said)}",
        expected="the same questions on both sides",
        hint="evaluate both on the same questions, or judge those in common: --allow-missing",
    )


def _by_position(a: Task, b: Task, names: tuple[str, str], common: dict[str, int]) -> Matched:
    sides = [sorted(task.items, key=_index) for task in (a, b)]
    if {"id", "document"} & common.keys() or len(sides[0]) != len(sides[1]):
        raise UsageError(
            f"{names[0]} and {names[1]} have no question in common",
            seen=", ".join(f"{_first(side)} of {len(side)} in {name}" for side, name in zip(sides, names, strict=True)),
            expected="the same questions, known by id, document or prompt",
            hint="name the column of ids with --id, or evaluate both on the same questions",
        )
    found = Matched("position", list(zip(*sides, strict=True)), [], [])
    found.warnings.append(
        "questions are matched by their position alone: "
        + ("their prompts differ" if common else "they have no ids and no prompts")
        + "; if the files are in another order, this verdict means nothing"
    )
    _keys_agree(found, names)
    return found


def _first(items: Sequence[Item]) -> str:
    return f"the first {named(items[0])!r}"


def _keys_agree(found: Matched, names: tuple[str, str]) -> None:
    """UsageError where keys differ, unless the same options stand in another order."""
    differ = [
        (a, b)
        for a, b in found.pairs
        if a.key != b.key and a.key is not None and b.key is not None and _plain(a.key) != _plain(b.key)
    ]
    shuffled = [(a, b) for a, b in differ if _shuffled(a, b)]
    if others := [pair for pair in differ if pair not in shuffled]:
        a, b = others[0]
        raise UsageError(
            f"keys differ for {len(others)} of {len(found.pairs)} questions, matched by {found.by}",
            seen=f"{named(a)!r}: {str(a.key)[:60]!r} in {names[0]}, {str(b.key)[:60]!r} in {names[1]}",
            expected="the same key on both sides",
            hint="evaluate both on the same version of the questions",
        )
    if shuffled:
        found.warnings.append(f"the options of {len(shuffled)} questions stand in another order on each side")


def _plain(key: object) -> object:
    try:
        return folded(plain(key), cased=False)
    except TypeError:
        return str(key)


def _shuffled(a: Item, b: Item) -> bool:
    """Whether two prompts have the same words in another order."""
    ours, theirs = (sorted("".join(c if c.isalnum() else " " for c in item.prompt).split()) for item in (a, b))
    return bool(ours) and ours == theirs and a.prompt != b.prompt
