r"""What a sampled reply is worth, by parts that can be checked, and signs that a reward is being gamed.

    judge(question, "The lamp is red.\nAnswer: A", finished=True)    Judged: what it came to, and its parts in [0, 1]

    answer   1 where the extractor of evaluation reads the key
    format   1 where steps are followed by one answer line, which is the last line
    length   1 up to `length_target` characters, falling to 0 at twice that

A reply that cannot be read, or was cut, is a class of its own and is worth nothing in any part: form without an answer
is never rewarded. Nothing here knows torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from evals.vote import same_answer
from prompts import choice
from storage.records import Question

Outcome = Literal["right", "wrong", "unreadable", "cut"]
PARTS = ("answer", "format", "length")
_ANSWER = re.compile(r"^\W*(?:answer\s*[:：]|答案\s*(?:是|为)?\s*[:：])\s*\(?([A-Z])\b", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Judged:
    """One reply: its outcome, its parts' values, and whether it states several answers or none of its steps."""

    outcome: Outcome
    parts: Mapping[str, float]
    several_answers: bool
    no_steps: bool

    def reward(self, weights: Mapping[str, float]) -> float:
        """The weighted sum of its parts."""
        return sum(weights[name] * value for name, value in self.parts.items())


def judge(question: Question, text: str, *, finished: bool, length_target: int = 1_000) -> Judged:
    """What a reply to a question with a key is worth; one that is not `finished` was cut at its limit."""
    stated = [letter.upper() for letter in _ANSWER.findall(text)]
    lines = [line for line in text.strip().splitlines() if line.strip()]
    ends = bool(lines) and _ANSWER.match(lines[-1]) is not None
    several, bare = len(set(stated)) > 1, bool(stated) and len(lines) < 2
    answer = choice.read(text, question, cut=not finished).answer if finished else None
    if answer is None:
        outcome: Outcome = "unreadable" if finished else "cut"
        return Judged(outcome, dict.fromkeys(PARTS, 0.0), several, bare)
    under = same_answer(question.options)
    right = under[answer] == under[str(question.answer)]
    over = max(0.0, len(text) / length_target - 1)
    parts = {
        "answer": float(right),
        "format": float(ends and len(stated) == 1 and not bare),
        "length": max(0.0, 1.0 - over),
    }
    return Judged("right" if right else "wrong", parts, several, bare)


@dataclass(frozen=True, slots=True)
class Course:
    """Shares of replies over a run, of its first and its last fifth: what they came to, and signs of gaming."""

    first: Mapping[str, float]
    last: Mapping[str, float]


def course(judged: Sequence[Judged]) -> Course:
    """How replies, in the order in which they were drawn, changed."""
    part = max(1, len(judged) // 5)
    return Course(_shares(judged[:part]), _shares(judged[-part:]))


def gamed(found: Course, *, rise: float = 0.1) -> list[str]:
    """Signs, in words, that what is rewarded rose by something else than right answers."""
    told = []
    for name, words in (("several_answers", "state several answers"), ("no_steps", "give an answer without steps")):
        before, after = found.first[name], found.last[name]
        if after - before >= rise:
            told.append(f"{after:.0%} of replies {words} at the end, {before:.0%} at the beginning")
    lost = found.first["right"] - found.last["right"]
    if found.last["reward"] > found.first["reward"] and lost > 0:
        told.append(
            f"the reward rose while right answers fell from {found.first['right']:.0%} to {found.last['right']:.0%}"
        )
    return told


def _shares(judged: Iterable[Judged]) -> dict[str, float]:
    rows = list(judged)
    count = max(1, len(rows))
    outcomes = {
        name: sum(one.outcome == name for one in rows) / count for name in ("right", "wrong", "unreadable", "cut")
    }
    signs = {name: sum(getattr(one, name) for one in rows) / count for name in ("several_answers", "no_steps")}
    parts = {name: sum(one.parts[name] for one in rows) / count for name in PARTS}
    return {**outcomes, **signs, **parts, "reward": sum(parts.values())}
