"""Puzzles in competition format: every family in turn, Chinese and English in turn, no text twice.

Rows out: `{"id", "problem", "questions": [{"question", "options", "answer"}]}`; options carry no letters. The family
`queries`, alone, is questions for SQL: see `puzzles.queries`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from puzzles import queries
from puzzles.families.base import Family, Language
from puzzles.families.boxes import Boxes
from puzzles.families.calendar import CALENDAR
from puzzles.families.compass import COMPASS
from puzzles.families.lamps import LampStatements
from puzzles.families.points import Points
from puzzles.families.relay import Relay
from puzzles.families.seasons import SEASONS
from storage.records import UsageError

FAMILIES: Mapping[str, Family[Any]] = {
    family.name: family for family in (COMPASS, CALENDAR, SEASONS, Relay(), Points(), Boxes(), LampStatements())
}
QUERIES = "queries"
LANGUAGES: tuple[Language, ...] = ("en", "zh")


def generate(count: int, seed: int, families: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """`count` puzzles, the same for the same seed and families; all problem texts differ.

    Raises UsageError at once for an unknown family, a negative count, or more than the families can make.
    """
    chosen = tuple(dict.fromkeys(families)) if families else tuple(FAMILIES)
    if chosen == (QUERIES,):
        return queries.generate(count, seed)
    if QUERIES in chosen:
        raise UsageError(f"{QUERIES!r} stands alone", seen=", ".join(chosen), expected="puzzles, or queries")
    if unknown := [name for name in chosen if name not in FAMILIES]:
        raise UsageError("unknown puzzle family", seen=", ".join(unknown), expected=", ".join((*FAMILIES, QUERIES)))
    if count < 0:
        raise UsageError("cannot make a negative number of puzzles", seen=count, expected="0 or more")
    cells = [(FAMILIES[name], language) for name in chosen for language in LANGUAGES]
    # half the capacity: beyond it most draws would be repeats
    most = min(family.capacity(language) for family, language in cells) // 2 * len(cells)
    if count > most:
        raise UsageError(
            "the families cannot make so many different puzzles",
            seen=count,
            expected=f"at most {most:,} of {', '.join(chosen)}",
            hint="ask for fewer, or for more families",
        )
    return _rows(count, random.Random(seed), cells)


def _rows(count: int, rng: random.Random, cells: Sequence[tuple[Family[Any], Language]]) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    for number in range(count):
        family, language = cells[number % len(cells)]
        puzzle = family.make(rng, language)
        while puzzle.problem in seen:
            puzzle = family.make(rng, language)
        seen.add(puzzle.problem)
        yield {
            "id": f"{family.name}-{language}-{number:06d}",
            "problem": puzzle.problem,
            "questions": [
                {"question": asked.question, "options": list(asked.options), "answer": asked.answer}
                for asked in puzzle.questions
            ],
        }
