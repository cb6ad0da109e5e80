"""Relay: each player hands the parcel to a fixed other one: who has it after pass k."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import perm

from puzzles.families.base import Asked, Language, Puzzle, asked_steps, place, walk
from puzzles.families.points import NAMES

_COUNT = 5
_PROBLEM: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"Passes of a parcel, from and to: (\w+ \w+(?:, \w+ \w+)+)\. (\w+) has it\.\s*\Z"),
    "zh": re.compile(r"传包裹，谁传给谁: (\w \w(?:, \w \w)+)。包裹在(\w)手里。\s*\Z"),
}
_PASS = re.compile(r"(\w+) (\w+)")
_QUESTION: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"Who has it after pass (\d)\?"),
    "zh": re.compile(r"传(\d)次后在谁手里？"),
}


@dataclass(frozen=True, slots=True)
class Passes:
    """Who has the parcel, and to whom each hands it."""

    language: Language
    start: str
    to: Mapping[str, str]

    def after(self, passes: int) -> list[str]:
        """Who has it before the first pass and after each of the first `passes`."""
        seen = [self.start]
        for _ in range(passes):
            seen.append(self.to[seen[-1]])
        return seen


class Relay:
    """A parcel that goes round."""

    name = "relay"

    def capacity(self, language: Language) -> int:
        # the five in circle (5! / 5 orders of each choice), the order of the listing, the start
        return perm(len(NAMES[language]), _COUNT) // _COUNT * perm(_COUNT, _COUNT)

    def make(self, rng: random.Random, language: Language) -> Puzzle:
        circle = rng.sample(NAMES[language], _COUNT)
        to = dict(zip(circle, circle[1:] + circle[:1], strict=True))
        state = Passes(language, circle[0], to)
        givers = rng.sample(circle, _COUNT)
        listed = ", ".join(f"{giver} {to[giver]}" for giver in givers)
        if language == "en":
            problem = f"Passes of a parcel, from and to: {listed}. {state.start} has it."
        else:
            problem = f"传包裹，谁传给谁: {listed}。包裹在{state.start}手里。"
        questions = []
        for passes in asked_steps(rng, _COUNT - 1):
            right = state.after(passes)[-1]
            # whoever began is never right: as an option it could be struck out without any reasoning
            options, letter = place(rng, right, [name for name in circle if name not in (right, state.start)])
            text = f"Who has it after pass {passes}?" if language == "en" else f"传{passes}次后在谁手里？"
            questions.append(Asked(text, options, letter))
        return Puzzle(problem, tuple(questions))

    def read(self, problem: str) -> Passes | None:
        for language, pattern in _PROBLEM.items():
            if match := pattern.search(problem):
                to = dict(_PASS.findall(match[1]))
                if match[2] in to and set(to) == set(to.values()):
                    return Passes(language, match[2], to)
        return None

    def work(self, state: Passes, question: str, options: Sequence[str]) -> str | None:
        asked = _QUESTION[state.language].search(question)
        if not asked:
            return None
        seen = state.after(int(asked[1]))
        steps = [f"{n} {giver} {to}" for n, (giver, to) in enumerate(pairwise(seen), 1)]
        return walk(state.start, steps, seen[-1], options, state.language)
