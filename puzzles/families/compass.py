"""Compass: something faces a direction and turns step by step: which way does it face after step k."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from puzzles.families.base import Asked, Language, Puzzle, asked_steps, place, walk

DIRECTIONS: dict[Language, tuple[str, ...]] = {
    "en": ("north", "east", "south", "west"),
    "zh": ("北", "东", "南", "西"),
}
TURNS: dict[Language, dict[str, int]] = {"en": {"right": 1, "back": 2, "left": 3}, "zh": {"右": 1, "后": 2, "左": 3}}
_ACTORS: dict[Language, tuple[str, ...]] = {
    "en": ("robot", "ship", "drone", "truck", "plane", "horse", "guard", "camera"),
    "zh": ("机器人", "轮船", "无人机", "卡车", "飞机", "白马", "哨兵", "相机"),
}
_STEPS = (3, 4, 5, 6)
_PROBLEM: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"The (?:\w+) faces (\w+)\. It then turns:((?:\n\d \w+)+)\s*\Z"),
    "zh": re.compile(r"面朝(\w)，依次转向：((?:\n\d \w)+)\s*\Z"),
}
_STEP = re.compile(r"\d (\w+)")
_QUESTION: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"Which way does it face after step (\d)\?"),
    "zh": re.compile(r"第(\d)步后它朝哪边？"),
}


@dataclass(frozen=True, slots=True)
class Heading:
    """The first direction and the turns, as words of the language."""

    language: Language
    start: str
    turns: tuple[str, ...]

    def after(self, step: int) -> list[str]:
        """The direction after each of the first `step` turns."""
        names, turns = DIRECTIONS[self.language], TURNS[self.language]
        at, seen = names.index(self.start), []
        for turn in self.turns[:step]:
            at = (at + turns[turn]) % 4
            seen.append(names[at])
        return seen


class Compass:
    """Turns of a thing that faces one of four directions."""

    name = "compass"

    def capacity(self, language: Language) -> int:
        turnings: int = sum(3**n for n in _STEPS)
        return len(_ACTORS[language]) * 4 * turnings

    def make(self, rng: random.Random, language: Language) -> Puzzle:
        steps = rng.choice(_STEPS)
        names = DIRECTIONS[language]
        turns = tuple(rng.choices(tuple(TURNS[language]), k=steps))
        state = Heading(language, rng.choice(names), turns)
        actor = rng.choice(_ACTORS[language])
        listed = "".join(f"\n{n} {turn}" for n, turn in enumerate(state.turns, 1))
        if language == "en":
            problem = f"The {actor} faces {state.start}. It then turns:{listed}"
        else:
            problem = f"{actor}面朝{state.start}，依次转向：{listed}"
        questions = []
        for step in asked_steps(rng, steps):
            right = state.after(step)[-1]
            options, letter = place(rng, right, [name for name in names if name != right])
            text = f"Which way does it face after step {step}?" if language == "en" else f"第{step}步后它朝哪边？"
            questions.append(Asked(text, options, letter))
        return Puzzle(problem, tuple(questions))

    def read(self, problem: str) -> Heading | None:
        for language, pattern in _PROBLEM.items():
            if match := pattern.search(problem):
                turns = tuple(_STEP.findall(match[2]))
                if match[1] in DIRECTIONS[language] and all(turn in TURNS[language] for turn in turns):
                    return Heading(language, match[1], turns)
        return None

    def work(self, state: Heading, question: str, options: Sequence[str]) -> str | None:
        asked = _QUESTION[state.language].search(question)
        if not asked or not 1 <= int(asked[1]) <= len(state.turns):
            return None
        seen = state.after(int(asked[1]))
        steps = [f"{n} {turn}: {at}" for n, (turn, at) in enumerate(zip(state.turns, seen, strict=False), 1)]
        return walk(state.start, steps, seen[-1], options, state.language)
