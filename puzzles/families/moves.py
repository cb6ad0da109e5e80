"""Moves: something holds one of a row of values and is moved along it step by step: what does it hold after step k.

The families compass, calendar and coins are this one with other words.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from puzzles.families.base import Asked, Language, Puzzle, asked_steps, place, walk

_STEPS = (3, 4, 5, 6)
_STEP = re.compile(r"\d (\w+)")


@dataclass(frozen=True, slots=True)
class Wording:
    """One language of a family. `problem` has places {actor} and {start}; `question` has {step}."""

    values: tuple[str, ...]
    moves: Mapping[str, int]
    actors: tuple[str, ...]
    problem: str
    question: str


@dataclass(frozen=True, slots=True)
class Course:
    """The first value and the moves, as words of the language."""

    family: Moves
    language: Language
    start: str
    moves: tuple[str, ...]

    def after(self, step: int) -> list[str]:
        """The value after each of the first `step` moves."""
        said = self.family.wording[self.language]
        at, seen = said.values.index(self.start), []
        for move in self.moves[:step]:
            at = (at + said.moves[move]) % len(said.values)
            seen.append(said.values[at])
        return seen


@dataclass(frozen=True, slots=True)
class Moves:
    """A family of moves along a closed row of values: after the last comes the first."""

    name: str
    wording: Mapping[Language, Wording]

    def capacity(self, language: Language) -> int:
        said = self.wording[language]
        movings: int = sum(len(said.moves) ** n for n in _STEPS)
        return len(said.actors) * len(said.values) * movings

    def make(self, rng: random.Random, language: Language) -> Puzzle:
        said = self.wording[language]
        steps = rng.choice(_STEPS)
        course = Course(self, language, rng.choice(said.values), tuple(rng.choices(tuple(said.moves), k=steps)))
        listed = "".join(f"\n{n} {move}" for n, move in enumerate(course.moves, 1))
        problem = said.problem.format(actor=rng.choice(said.actors), start=course.start) + listed
        questions = []
        for step in asked_steps(rng, steps):
            right = course.after(step)[-1]
            options, letter = place(rng, right, [value for value in said.values if value != right])
            questions.append(Asked(said.question.format(step=step), options, letter))
        return Puzzle(problem, tuple(questions))

    def read(self, problem: str) -> Course | None:
        for language, said in self.wording.items():
            if match := _pattern(said.problem, r"\w+?").search(problem):
                moves = tuple(_STEP.findall(match["moves"]))
                if match["start"] in said.values and all(move in said.moves for move in moves):
                    return Course(self, language, match["start"], moves)
        return None

    def work(self, state: Course, question: str, options: Sequence[str]) -> str | None:
        asked = _asked(self.wording[state.language].question).search(question)
        if not asked or not 1 <= int(asked["step"]) <= len(state.moves):
            return None
        seen = state.after(int(asked["step"]))
        steps = [f"{n} {move}: {at}" for n, (move, at) in enumerate(zip(state.moves, seen, strict=False), 1)]
        return walk(state.start, steps, seen[-1], options, state.language)


def _pattern(problem: str, word: str) -> re.Pattern[str]:
    places = re.escape(problem).replace(r"\{actor\}", word).replace(r"\{start\}", rf"(?P<start>{word})")
    return re.compile(rf"{places}(?P<moves>(?:\n\d \w+)+)\s*\Z")


def _asked(question: str) -> re.Pattern[str]:
    return re.compile(re.escape(question).replace(r"\{step\}", r"(?P<step>\d)"))
