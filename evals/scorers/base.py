"""What every scorer takes and gives.

    scorer.score(prediction, gold) -> Score(outcome, value, reason, measures)

`outcome` is what a count and McNemar's test take, `value` what a mean takes. A score whose outcome is
"gold-invalid" or "undecided" says nothing about the prediction and is left out of both (`Score.counts`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from storage.records import Message

Outcome = Literal[
    "right",
    "wrong",
    "tie",
    "invalid",
    "timeout",
    "memory",
    "refused",
    "truncated",
    "error",
    "gold-invalid",
    "undecided",
]
DialectName = Literal["sqlite", "duckdb"]  # whose SQL a recipe's queries are, and what runs them
# what makes a query right: see `evals.scorers.sql`
Metric = Literal["execution", "ex", "test-suite", "exact-set-match"]
_NO_JUDGEMENT = frozenset({"gold-invalid", "undecided"})
_FENCE = re.compile(r"```[^\n`]*\n(?P<inside>.*?)```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Score:
    """How good one prediction is.

    right, wrong          it was compared with the gold, or with another's
    tie                   it is neither better nor worse than another's
    invalid               it cannot be read or bound
    timeout, memory       running it passed a limit
    refused               it asks for more than a scorer lets it do; it was not run
    truncated             it stopped at its length limit before the answer was whole
    error                 it raised something while it was read or scored: a fault of ours, told and never hidden
    gold-invalid          the gold itself cannot be used
    undecided             nothing could be compared that would tell right from wrong

    `value` is in [0, 1]; `measures` are further numbers by name.
    """

    outcome: Outcome
    value: float
    reason: str
    measures: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not 0 <= self.value <= 1:
            raise ValueError(f"value {self.value}; expected 0 to 1")

    @property
    def right(self) -> bool:
        return self.outcome == "right"

    @property
    def counts(self) -> bool:
        """Whether the score says something about the prediction."""
        return self.outcome not in _NO_JUDGEMENT


class Gold(Protocol):
    """What of a dialogue a scorer reads: its last message is the reference, `about` what else its reader knew."""

    @property
    def messages(self) -> Sequence[Message]: ...

    @property
    def about(self) -> Mapping[str, Any]: ...


class Scorer(Protocol):
    """One way to score, and to tell which replies are one answer."""

    @property
    def name(self) -> str: ...

    def score(self, prediction: str, gold: Gold) -> Score: ...

    def labels(self, replies: Sequence[str], gold: Gold) -> list[int | None]:
        """For each reply the place of the first that gives the same answer; None for no answer.

        The reference is not looked at: this is how replies vote.
        """
        ...


def first_alike(answers: Iterable[object | None]) -> list[int | None]:
    """For each answer the place of the first that equals it; None stays None.

    >>> first_alike(["a", None, "b", "a"])
    [0, None, 2, 0]
    """
    first: dict[object, int] = {}
    return [None if a is None else first.setdefault(a, place) for place, a in enumerate(answers)]


def reference(gold: Gold) -> str:
    """The answer that the record gives."""
    return gold.messages[-1].content


def unfenced(reply: str) -> str:
    r"""The last fenced block of a reply, or the whole of a reply that has none, without space around it.

    >>> unfenced("So:\n```sql\nSELECT 1\n```")
    'SELECT 1'
    """
    blocks = [hit["inside"] for hit in _FENCE.finditer(reply)]
    return (blocks[-1] if blocks else reply).strip()
