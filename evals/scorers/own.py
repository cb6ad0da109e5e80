"""A scorer of a user's own: what it gives back becomes a score, whatever that is.

    def equal_units(reply, reference, row):            # in my_scorers.py
        return True                                    # or 0.5, or {"score": 0.5, "label": "metres", "reason": "…"}

`reply` is the answer read from a reply, `reference` the row's own, `row` a dict of `question` (all that stands before
the answer), `task` and `about`, what else the row says. A score of 1 is right, any other from 0 on is wrong and worth
so much. `label` says which answers are one where several replies vote; without it equal words are one answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.scorers.base import Gold, Outcome, Score, first_alike, reference

_FIELDS = ("score", "label", "reason")


class Run(Exception):
    """The function gave nothing: how it ended, and why."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome, self.reason = outcome, reason


@dataclass(frozen=True, slots=True)
class OwnScorer:
    """Scores by `call(reply, reference, row)`, which gives back what the function did, or raises `Run`."""

    name: str
    call: Callable[[str, str, Mapping[str, Any]], Any]

    def score(self, prediction: str, gold: Gold) -> Score:
        if not prediction.strip():
            return Score("invalid", 0.0, "the answer is empty")
        try:
            value, label, reason = said(self._given(prediction, gold))
        except Run as ended:
            return Score(ended.outcome, 0.0, ended.reason)
        told = reason or ("right" if value == 1 else f"worth {value:g}") + (f", {label}" if label else "")
        return Score("right" if value == 1 else "wrong", value, told)

    def labels(self, replies: Sequence[str], gold: Gold) -> list[int | None]:
        return first_alike(self._label(reply, gold) for reply in replies)

    def _label(self, reply: str, gold: Gold) -> str | None:
        if not reply.strip():
            return None
        try:
            return said(self._given(reply, gold))[1] or reply.strip()
        except Run:
            return reply.strip()

    def _given(self, reply: str, gold: Gold) -> Any:
        asked = "\n\n".join(message.content for message in gold.messages[:-1])
        row = {"question": asked, "task": getattr(gold, "task", ""), "about": dict(gold.about)}
        return self.call(reply, reference(gold), row)


def said(given: Any) -> tuple[float, str, str]:
    """Score, label and reason of what a function gave back; `Run` with outcome "error" for what is no score.

    >>> said({"score": True, "label": "m"})
    (1.0, 'm', '')
    """
    row = given if isinstance(given, dict) else {"score": given}
    if extra := [str(name) for name in row if name not in _FIELDS]:
        raise Run("error", f"it gave back {', '.join(extra)}; expected score, label, reason")
    value = row.get("score")
    if not isinstance(value, bool | int | float) or not 0 <= value <= 1:
        raise Run("error", f"it gave back {value!r:.80}; expected a bool or a number from 0 to 1")
    label, reason = (row.get(name) for name in ("label", "reason"))
    for name, text in (("label", label), ("reason", reason)):
        if text is not None and not isinstance(text, str):
            raise Run("error", f"it gave back {text!r:.80} as {name}; expected a text")
    return float(value), label or "", reason or ""
