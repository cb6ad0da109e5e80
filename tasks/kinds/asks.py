"""One thing to ask of every subject, of whatever kind the work is: messages, and what votes are read by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from prompts.rendering import Wish
from storage.records import Message, Question


@dataclass(frozen=True, slots=True)
class Forced:
    """A reply's start and the continuations of which one must follow: "Answer:" and (" A", " B")."""

    start: str
    letters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """One thing to ask of every subject; `id` is unique in its order.

    `question` is the multiple-choice question that votes are read by, and `id` its own: without it no vote
    can settle anything, and all are drawn. `greedy` is whether a greedy reply is wanted beside the votes.
    """

    id: str
    messages: tuple[Message, ...]
    forced: Forced | None = None
    question: Question | None = None
    greedy: bool = True

    def __post_init__(self) -> None:
        if self.question and self.question.id != self.id:
            raise ValueError(f"ask {self.id!r} of question {self.question.id}; expected its own id")


def introduced(asks: Sequence[Ask], wish: Wish | None) -> list[Ask]:
    """The asks of a server, which renders by its own template, with the system prompt before those that have none."""
    if not wish or not wish.system:
        return list(asks)
    system = Message("system", wish.system)
    return [a if a.messages[0].role == "system" else replace(a, messages=(system, *a.messages)) for a in asks]
