"""What a family is, and the parts that rationales share.

Small models do not jump from a value to its letter. So a rationale that finds a value begins with the
options, each value followed by its letter ("A) south A"), and its end ("So south A") is a look-up by the
value; one that judges statements goes through the options until the first that fits.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from storage.records import LETTERS

Language = Literal["en", "zh"]
OPTIONS = 4
YES = {"en": " yes", "zh": " 是"}
NO = {"en": " no", "zh": " 否"}
_SO = {"en": "So ", "zh": "得 "}
_START = {"en": "Start ", "zh": "起 "}
_ANSWER = {"en": "Answer: ", "zh": "答案："}


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of a puzzle; `answer` is the letter of the one right option."""

    question: str
    options: tuple[str, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Puzzle:
    """One problem text and its questions."""

    problem: str
    questions: tuple[Asked, ...]


State = TypeVar("State")


class Family(Protocol[State]):
    """One kind of puzzle: it writes texts, and reads and solves them from the text alone."""

    @property
    def name(self) -> str: ...

    def capacity(self, language: Language) -> int:
        """How many different problem texts `make` can write, at least."""

    def make(self, rng: random.Random, language: Language) -> Puzzle:
        """A puzzle with one or two questions, each with one right option at a uniformly drawn letter."""

    def read(self, problem: str) -> State | None:
        """The state that the text describes, None if it is no text of this family."""

    def work(self, state: State, question: str, options: Sequence[str]) -> str | None:
        """The rationale with its answer line; None if the question is unknown or no option fits."""


def place(rng: random.Random, right: str, wrong: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Options in random order, and the letter of the right one: uniform over the letters."""
    options = rng.sample(list(wrong), OPTIONS - 1)
    position = rng.randrange(OPTIONS)
    options.insert(position, right)
    return tuple(options), LETTERS[position]


def asked_steps(rng: random.Random, steps: int, lowest: int = 2) -> list[int]:
    """One or two different step numbers to ask about, in rising order."""
    return sorted(rng.sample(range(lowest, steps + 1), rng.choice((1, 2))))


def scan(options: Sequence[str], language: Language, judge: Callable[[str], str | None]) -> str | None:
    """The options up to the first that fits, one a line, and the answer line; None if none fits.

    `judge` returns what to write behind an option: text that ends in YES or NO, or None if unreadable.
    """
    lines = []
    for letter, option in zip(LETTERS, options, strict=False):
        verdict = judge(option)
        if verdict is None:
            return None
        lines.append(f"{letter}) {option}:{verdict}")
        if verdict.endswith(YES[language]):
            return "\n".join([*lines, _ANSWER[language] + letter])
    return None


def reasoned(lines: Sequence[str], value: str, options: Sequence[str], language: Language) -> str | None:
    """The options with their letters, the lines that lead to `value`, its letter; None if no option is `value`."""
    if value not in options:
        return None
    lettered = list(zip(LETTERS, options, strict=False))
    table = [f"{letter}) {option} {letter}" for letter, option in lettered]
    letter = next(letter for letter, option in lettered if option == value)
    return "\n".join([*table, *lines, f"{_SO[language]}{value} {letter}", _ANSWER[language] + letter])


def walk(start: str, steps: Sequence[str], value: str, options: Sequence[str], language: Language) -> str | None:
    """A rationale that goes from a start through numbered steps to `value`."""
    return reasoned([_START[language] + start, *steps], value, options, language)
