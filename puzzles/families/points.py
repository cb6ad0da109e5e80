"""Points: a score for each of several players: who is number k."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import perm

from puzzles.families.base import Asked, Language, Puzzle, asked_steps, place, reasoned

NAMES: dict[Language, tuple[str, ...]] = {
    "en": ("Ann", "Bob", "Cat", "Dan", "Eve", "Gus", "Ida", "Joe"),
    "zh": tuple("赵钱孙李周吴郑王"),
}
_COUNTS = (4, 5)
_PROBLEM: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"Points: (\d \w+(?:, \d \w+)+)\.\s*\Z"),
    "zh": re.compile(r"得分榜: (\d \w(?:, \d \w)+)。\s*\Z"),
}
_SCORE = re.compile(r"(\d) (\w+)")
_QUESTION: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"Who is number (\d)\?"),
    "zh": re.compile(r"第(\d)名是谁？"),
}


@dataclass(frozen=True, slots=True)
class Scores:
    """Name and points of each player, all points different."""

    language: Language
    points: tuple[tuple[int, str], ...]

    def ranked(self) -> list[tuple[int, str]]:
        """Points and player, the best first."""
        return sorted(self.points, reverse=True)


class Points:
    """Ranking by points."""

    name = "points"

    def capacity(self, language: Language) -> int:
        return sum(perm(len(NAMES[language]), count) * perm(10, count) for count in _COUNTS)

    def make(self, rng: random.Random, language: Language) -> Puzzle:
        count = rng.choice(_COUNTS)
        names = rng.sample(NAMES[language], count)
        state = Scores(language, tuple(zip(rng.sample(range(10), count), names, strict=True)))
        listed = ", ".join(f"{points} {name}" for points, name in state.points)
        problem = f"Points: {listed}." if language == "en" else f"得分榜: {listed}。"
        questions = []
        for rank in asked_steps(rng, count, lowest=1):
            right = state.ranked()[rank - 1][1]
            options, letter = place(rng, right, [name for name in names if name != right])
            text = f"Who is number {rank}?" if language == "en" else f"第{rank}名是谁？"
            questions.append(Asked(text, options, letter))
        return Puzzle(problem, tuple(questions))

    def read(self, problem: str) -> Scores | None:
        for language, pattern in _PROBLEM.items():
            if match := pattern.search(problem):
                return Scores(language, tuple((int(points), name) for points, name in _SCORE.findall(match[1])))
        return None

    def work(self, state: Scores, question: str, options: Sequence[str]) -> str | None:
        asked = _QUESTION[state.language].search(question)
        if not asked or not 1 <= int(asked[1]) <= len(state.points):
            return None
        ranked = state.ranked()[: int(asked[1])]
        lines = [f"{n} {points} {name}" for n, (points, name) in enumerate(ranked, 1)]
        return reasoned(lines, ranked[-1][1], options, state.language)
