"""Which right reply is paired with which wrong one: those of the nearest lengths, so that length is not what is learnt.

pair(["a right reply"], ["a wrong one", "a wrong one that goes on and on"], most=1, ratio=1.5)
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from evals.vote import same_answer
from storage.records import Question, digest


class Reply(NamedTuple):
    """A reply's text, and where it came from."""

    text: str
    source: str


class Pair(NamedTuple):
    """A right reply and a wrong one."""

    chosen: Reply
    rejected: Reply

    @property
    def source(self) -> str:
        """Where both came from."""
        return "+".join(sorted({self.chosen.source, self.rejected.source}))


@dataclass(slots=True)
class Replies:
    """The replies to one question by what they came to; what has no readable answer is neither right nor wrong."""

    right: list[Reply] = field(default_factory=list)
    wrong: list[Reply] = field(default_factory=list)
    unreadable: int = 0

    def add(self, text: str, source: str, right: bool | None) -> None:
        """Count a reply in; `right` is None where its answer could not be read, or it was cut."""
        text = text.strip()
        if right is None or not text:
            self.unreadable += 1
            return
        side = self.right if right else self.wrong
        if all(one.text != text for one in side):
            side.append(Reply(text, source))


def right(question: Question, answer: str | None, finish: str) -> bool | None:
    """Whether an answer is the key, options of equal text being one; None if it was not read or the reply was cut."""
    if answer is None or finish != "stop" or question.answer is None:
        return None
    under = same_answer(question.options)
    return under[answer] == under[question.answer]


def pair(right: Iterable[Reply], wrong: Iterable[Reply], most: int, ratio: float) -> list[Pair]:
    """At most `most` pairs, each reply in one, the nearest lengths first; none beyond `ratio`, which is at least 1.

    Ties go by the texts' digests, so that the order of replies changes nothing.
    """
    candidates = sorted(
        (apart(one.text, other.text), digest([one.text, other.text]), one, other)
        for one in right
        for other in wrong
        if near(one.text, other.text, ratio)
    )
    pairs: list[Pair] = []
    used: set[tuple[bool, str]] = set()
    for _, _, one, other in candidates:
        if len(pairs) < most and not used & {(True, one.text), (False, other.text)}:
            used |= {(True, one.text), (False, other.text)}
            pairs.append(Pair(one, other))
    return pairs


def apart(text: str, other: str) -> float:
    """How far two lengths lie apart: the logarithm of the longer over the shorter."""
    return abs(math.log(len(text) / len(other)))


def near(text: str, other: str, ratio: float) -> bool:
    """Whether the longer is at most `ratio` times the shorter, in characters."""
    return max(len(text), len(other)) <= ratio * min(len(text), len(other))


def unpaired(replies: Iterable[Reply], most: int) -> list[Reply]:
    """At most `most` replies, whatever their order."""
    return sorted(replies, key=lambda reply: digest(reply.text))[:most]
