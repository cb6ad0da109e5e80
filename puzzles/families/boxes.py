"""Boxes: a coin lies in one of four boxes whose contents are swapped pair by pair: where is it after step k."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import perm

from puzzles.families.base import Asked, Language, Puzzle, asked_steps, place, walk

_COLOURS: dict[Language, tuple[str, ...]] = {
    "en": ("red", "blue", "green", "white", "black", "pink"),
    "zh": ("红", "蓝", "绿", "白", "黑", "粉"),
}
_STEPS = (3, 4, 5)
_PROBLEM: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"Four boxes: (\w+, \w+, \w+, \w+)\. A coin lies in the (\w+) box\. "
        r"The contents of two boxes are swapped:((?:\n\d \w+, \w+)+)\s*\Z"
    ),
    "zh": re.compile(r"四个盒子：(\w、\w、\w、\w)。硬币在(\w)盒里，依次互换两盒所装之物：((?:\n\d \w, \w)+)\s*\Z"),
}
_STEP = re.compile(r"\d (\w+), (\w+)")
_QUESTION: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"Which box holds the coin after step (\d)\?"),
    "zh": re.compile(r"第(\d)步后硬币在哪个盒里？"),
}


@dataclass(frozen=True, slots=True)
class Swaps:
    """The box that holds the coin, and the pairs of boxes whose contents change places."""

    language: Language
    start: str
    pairs: tuple[tuple[str, str], ...]

    def after(self, step: int) -> list[str]:
        """The box that holds the coin after each of the first `step` swaps."""
        at, seen = self.start, []
        for one, other in self.pairs[:step]:
            at = other if at == one else one if at == other else at
            seen.append(at)
        return seen


class Boxes:
    """A coin in boxes whose contents are swapped."""

    name = "boxes"

    def capacity(self, language: Language) -> int:
        swappings: int = sum(12**n for n in _STEPS)  # ordered pairs of four boxes
        return perm(len(_COLOURS[language]), 4) * 4 * swappings

    def make(self, rng: random.Random, language: Language) -> Puzzle:
        names = rng.sample(_COLOURS[language], 4)
        start = rng.choice(names)
        pairs = [(pair[0], pair[1]) for pair in (rng.sample(names, 2) for _ in range(rng.choice(_STEPS)))]
        state = Swaps(language, start, tuple(pairs))
        listed = "".join(f"\n{n} {one}, {other}" for n, (one, other) in enumerate(pairs, 1))
        if language == "en":
            problem = (
                f"Four boxes: {', '.join(names)}. A coin lies in the {start} box. "
                f"The contents of two boxes are swapped:{listed}"
            )
        else:
            problem = f"四个盒子：{'、'.join(names)}。硬币在{start}盒里，依次互换两盒所装之物：{listed}"
        questions = []
        for step in asked_steps(rng, len(pairs)):
            right = state.after(step)[-1]
            options, letter = place(rng, right, [name for name in names if name != right])
            text = (
                f"Which box holds the coin after step {step}?" if language == "en" else f"第{step}步后硬币在哪个盒里？"
            )
            questions.append(Asked(text, options, letter))
        return Puzzle(problem, tuple(questions))

    def read(self, problem: str) -> Swaps | None:
        for language, pattern in _PROBLEM.items():
            if match := pattern.search(problem):
                names = set(re.findall(r"\w+" if language == "en" else r"\w", match[1]))
                pairs = tuple(_STEP.findall(match[3]))
                if match[2] in names and all(one in names and other in names for one, other in pairs):
                    return Swaps(language, match[2], pairs)
        return None

    def work(self, state: Swaps, question: str, options: Sequence[str]) -> str | None:
        asked = _QUESTION[state.language].search(question)
        if not asked or not 1 <= int(asked[1]) <= len(state.pairs):
            return None
        seen = state.after(int(asked[1]))
        numbered = enumerate(zip(state.pairs, seen, strict=False), 1)
        steps = [f"{n} {one}, {other}: {at}" for n, ((one, other), at) in numbered]
        return walk(state.start, steps, seen[-1], options, state.language)
