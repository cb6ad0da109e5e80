"""Which columns, or which cells, hold the options of a multiple choice, and which column names the right one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from storage.sources.column_profile import Profile, Row, families
from storage.sources.formats import keys
from storage.sources.formats.base import Fault
from storage.sources.formats.options import Options, shaped

MOST_OPTIONS = 10
_ALIKE = 8  # times as long as another an option may be, on average


def run_of(seen: Mapping[str, Profile], key: str, asked: str | None, count: int) -> list[str]:
    """The columns of options: a family of names, else the longest run of texts of like length without the question."""
    runs = [run for run in families(list(seen), seen) if len(run) >= count and key not in run]
    if not runs:
        runs = [run for run in _neighbours(list(seen), seen, {key, asked}) if len(run) >= count]
    return max(runs, key=len, default=[])[:MOST_OPTIONS]


def _neighbours(ways: list[str], seen: Mapping[str, Profile], without: set[str | None]) -> Iterator[list[str]]:
    run: list[str] = []
    for way in [*ways, ""]:
        fits = way in seen and seen[way].is_text and way not in without and not seen[way].metadata
        if fits and (not run or _alike(seen[way], seen[run[0]])) and not seen[way].constant:
            run.append(way)
        else:
            if len(run) > 1:
                yield run
            run = [way] if fits else []


def _alike(one: Profile, other: Profile) -> bool:
    return max(one.length, other.length) <= _ALIKE * max(1.0, min(one.length, other.length))


def options_of(value: object) -> Options | None:
    """The options that a cell holds, in any shape; None if it holds none."""
    try:
        found = shaped(value, "") if isinstance(value, list | dict | str) and value else None
    except Fault:
        return None
    return found if found is not None and len(found.texts) <= MOST_OPTIONS else None


def share_named(found: list[Row], key: str, options: Sequence[Options | None]) -> float:
    """The share of rows in which the cell of `key` names an option."""
    hits = []
    for row, choice in zip(found, options, strict=True):
        if choice is not None and not keys.blank(row.get(key)):
            try:
                hits.append(
                    any(one is not None for one in keys.readings(row[key], choice, key)[:2])
                    or _is_place(row[key], choice)
                )
            except Fault:
                hits.append(False)
    return sum(hits) / len(hits) if hits else 0.0


def _is_place(value: object, choice: Options) -> bool:
    place = keys.number_of(value)
    return place is not None and 0 <= place <= len(choice.texts)


def dress(found: list[Row], key: str) -> int:
    """How much a key says: a number may be anything, a letter less, a text is sure."""
    held = [row[key] for row in found if not keys.blank(row.get(key))]
    if all(keys.is_number(value) for value in held):
        return 0
    return 1 if all(keys.is_letter(value) for value in held) else 2
