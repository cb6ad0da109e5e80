"""Lamps: some are on, some are off: which statement about two of them, joined by and or or, is true."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import perm

from puzzles.families.base import NO, YES, Asked, Language, Puzzle, place, scan

_NAMES: dict[Language, tuple[str, ...]] = {"en": tuple("PQRSTUVW"), "zh": tuple("甲乙丙丁戊己庚辛")}
_ON = {"en": " on", "zh": "亮"}
_OFF = {"en": " off", "zh": "灭"}
_AND = {"en": " and ", "zh": "且"}
_OR = {"en": " or ", "zh": "或"}
_COUNTS = (4, 5)
_PROBLEM: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"Lamps: (\w (?:on|off)(?:, \w (?:on|off))+)\.\s*\Z"),
    "zh": re.compile(r"灯：(\w[亮灭](?:，\w[亮灭])+)。\s*\Z"),
}
_LAMP = re.compile(r"(\w)( on| off|亮|灭)")
_CLAIM: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"(\w)( on| off)( and | or )(\w)( on| off)\s*\Z"),
    "zh": re.compile(r"(\w)([亮灭])([且或])(\w)([亮灭])\s*\Z"),
}
_QUESTION: dict[Language, str] = {"en": "Which statement is true?", "zh": "哪句为真？"}


@dataclass(frozen=True, slots=True)
class Lamps:
    """Each lamp and its state, as the words of the text."""

    language: Language
    lit: Mapping[str, str]

    def judge(self, option: str) -> str | None:
        """The states of the two lamps, whether each part holds, and whether the whole holds."""
        claim = _CLAIM[self.language].match(option)
        if not claim or claim[1] not in self.lit or claim[4] not in self.lit:
            return None
        yes, no = YES[self.language], NO[self.language]
        gap = " " if self.language == "en" else ""
        one, other = self.lit[claim[1]], self.lit[claim[4]]
        parts = one == claim[2], other == claim[5]
        whole = all(parts) if claim[3] == _AND[self.language] else any(parts)
        first, second, last = (yes if value else no for value in (*parts, whole))
        return f"{gap}{claim[1]}{one}{gap}{claim[4]}{other}:{first}{second}:{last}"


class LampStatements:
    """Two-literal statements over lamps."""

    name = "lamps"

    def capacity(self, language: Language) -> int:
        return sum(perm(len(_NAMES[language]), count) * 2**count for count in _COUNTS)

    def make(self, rng: random.Random, language: Language) -> Puzzle:
        names = rng.sample(_NAMES[language], rng.choice(_COUNTS))
        lit = {name: rng.choice((_ON[language], _OFF[language])) for name in names}
        state = Lamps(language, lit)
        listed = (", " if language == "en" else "，").join(name + lamp for name, lamp in lit.items())
        problem = f"Lamps: {listed}." if language == "en" else f"灯：{listed}。"
        questions: dict[tuple[str, ...], Asked] = {}
        for _ in range(rng.choice((1, 2))):
            right = _claim(rng, state, True)
            wrong: set[str] = set()
            while len(wrong) < 3:
                wrong.add(_claim(rng, state, False))
            options, letter = place(rng, right, sorted(wrong))
            questions[options] = Asked(_QUESTION[language], options, letter)
        return Puzzle(problem, tuple(questions.values()))

    def read(self, problem: str) -> Lamps | None:
        for language, pattern in _PROBLEM.items():
            if match := pattern.search(problem):
                return Lamps(language, dict(_LAMP.findall(match[1])))
        return None

    def work(self, state: Lamps, question: str, options: Sequence[str]) -> str | None:
        return scan(options, state.language, state.judge) if _QUESTION[state.language] in question else None


def _claim(rng: random.Random, state: Lamps, truth: bool) -> str:
    """A statement of that truth. The connective is drawn first: it must not give the truth away."""
    language = state.language
    joint = rng.choice((_AND[language], _OR[language]))
    names, verdict = tuple(state.lit), YES[language] if truth else NO[language]
    while True:
        one, other = rng.sample(names, 2)
        claim = one + rng.choice((_ON, _OFF))[language] + joint + other + rng.choice((_ON, _OFF))[language]
        judged = state.judge(claim)
        if judged and judged.endswith(verdict):
            return claim
