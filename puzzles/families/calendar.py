"""Calendar: something is set on a weekday and moved step by step: on which day is it after step k."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from puzzles.families.base import Asked, Language, Puzzle, asked_steps, place, walk

DAYS: dict[Language, tuple[str, ...]] = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "zh": tuple("一二三四五六日"),
}
MOVES: dict[Language, dict[str, int]] = {
    "en": {"later": 1, "sooner": -1, "skip": 2},  # skip: the day after next
    "zh": {"推": 1, "提": -1, "跳": 2},
}
_EVENTS: dict[Language, tuple[str, ...]] = {
    "en": ("meeting", "dinner", "lecture", "match", "concert", "trip", "test", "party"),
    "zh": ("会议", "晚宴", "讲座", "比赛", "音乐会", "郊游", "考试", "聚会"),
}
_STEPS = (3, 4, 5, 6)
_PROBLEM: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"The (?:\w+) is on (\w+)\. By one day, or two for a skip, it is moved:((?:\n\d \w+)+)\s*\Z"),
    "zh": re.compile(r"定在星期(\w)，依次改期（推、提为一天，跳为推两天）：((?:\n\d \w)+)\s*\Z"),
}
_STEP = re.compile(r"\d (\w+)")
_QUESTION: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"On which day is it after step (\d)\?"),
    "zh": re.compile(r"第(\d)步后它在星期几？"),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """The first day and the moves, as words of the language."""

    language: Language
    start: str
    moves: tuple[str, ...]

    def after(self, step: int) -> list[str]:
        """The day after each of the first `step` moves."""
        names, moves = DAYS[self.language], MOVES[self.language]
        at, seen = names.index(self.start), []
        for move in self.moves[:step]:
            at = (at + moves[move]) % 7
            seen.append(names[at])
        return seen


class Calendar:
    """Moves of an event over the days of the week."""

    name = "calendar"

    def capacity(self, language: Language) -> int:
        movings: int = sum(3**n for n in _STEPS)
        return len(_EVENTS[language]) * 7 * movings

    def make(self, rng: random.Random, language: Language) -> Puzzle:
        steps = rng.choice(_STEPS)
        names = DAYS[language]
        moves = tuple(rng.choices(tuple(MOVES[language]), k=steps))
        state = Plan(language, rng.choice(names), moves)
        event = rng.choice(_EVENTS[language])
        listed = "".join(f"\n{n} {move}" for n, move in enumerate(state.moves, 1))
        if language == "en":
            problem = f"The {event} is on {state.start}. By one day, or two for a skip, it is moved:{listed}"
        else:
            problem = f"{event}定在星期{state.start}，依次改期（推、提为一天，跳为推两天）：{listed}"
        questions = []
        for step in asked_steps(rng, steps):
            right = state.after(step)[-1]
            options, letter = place(rng, right, [name for name in names if name != right])
            text = f"On which day is it after step {step}?" if language == "en" else f"第{step}步后它在星期几？"
            questions.append(Asked(text, options, letter))
        return Puzzle(problem, tuple(questions))

    def read(self, problem: str) -> Plan | None:
        for language, pattern in _PROBLEM.items():
            if match := pattern.search(problem):
                moves = tuple(_STEP.findall(match[2]))
                if match[1] in DAYS[language] and all(move in MOVES[language] for move in moves):
                    return Plan(language, match[1], moves)
        return None

    def work(self, state: Plan, question: str, options: Sequence[str]) -> str | None:
        asked = _QUESTION[state.language].search(question)
        if not asked or not 1 <= int(asked[1]) <= len(state.moves):
            return None
        seen = state.after(int(asked[1]))
        steps = [f"{n} {move}: {at}" for n, (move, at) in enumerate(zip(state.moves, seen, strict=False), 1)]
        return walk(state.start, steps, seen[-1], options, state.language)
