"""Scored replies of base and adapter -> the numbers of an evaluation, in the shape of multiple choice.

    replies ──winner──▶ one reply a question and subject ──compare──▶ accuracies, values, the paired verdict

Votes are counted by what a scorer calls the same answer (for SQL the same result): the answer with most votes
wins, ties by `evals.vote.majority`; a reply without an answer abstains. A question whose score says nothing of
either side (`Score.counts`) is left out of both, so that they are compared on the same questions.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.scorers.base import Score
from evals.stats import clustered_bootstrap
from evals.verdict import Verdict, corrected, verdict
from evals.vote import majority
from storage.records import seed_of

GREEDY = -1
RIGHT = "right"  # the outcome that stands for the key
_UNREADABLE = ("invalid", "refused", "timeout", "memory", "truncated", "error")


@dataclass(frozen=True, slots=True)
class Scored:
    """One reply of one subject. `index` is GREEDY or the vote's number; equal `label`s are votes for one answer."""

    question: str
    group: str
    subject: str
    index: int
    text: str
    finish: str
    score: Score
    label: int | None = None


Pair = tuple[Mapping[str, Sequence[Scored]], Mapping[str, Sequence[Scored]]]  # base and adapter, by question


def winner(replies: Sequence[Scored]) -> Scored:
    """The reply that answers for its subject: of the votes the winner's first, without votes the greedy one."""
    votes = sorted((reply for reply in replies if reply.index >= 0), key=lambda reply: reply.index)
    if not votes:
        return next(reply for reply in replies if reply.index == GREEDY)
    tally = Counter(str(vote.label) for vote in votes if vote.label is not None)
    elected = majority(votes[0].question, tally)
    return next((vote for vote in votes if str(vote.label) == elected), votes[0])


def compare(
    base: Mapping[str, Sequence[Scored]], adapter: Mapping[str, Sequence[Scored]], names: tuple[str, str]
) -> dict[str, Any]:
    """The figures of two subjects, replies by question. UsageError where no question says anything of both.

    `left_out` counts, by outcome, the questions that do not. A side's `value` is the mean of its scores' values,
    its interval and that of the difference drawn by group; `outcomes` counts what became of its answers.
    """
    return compare_all({names[1]: (base, adapter)}, names[0])[names[1]]


def compare_all(pairs: Mapping[str, Pair], base: str) -> dict[str, dict[str, Any]]:
    """`compare` of each adapter with the base of its pair; each word is corrected for all comparisons (Holm)."""
    found = {name: _compared(*pair, (base, name)) for name, pair in pairs.items()}
    words = corrected([judged for judged, _ in found.values()])
    return {
        name: facts | {"paired": word.paired() | facts["paired"]}
        for (name, (_, facts)), word in zip(found.items(), words, strict=True)
    }


def _compared(
    base: Mapping[str, Sequence[Scored]], adapter: Mapping[str, Sequence[Scored]], names: tuple[str, str]
) -> tuple[Verdict, dict[str, Any]]:
    """The verdict, and the facts around it; of `paired` what a verdict does not know."""
    replies = {"base": base, "adapter": adapter}
    won = {name: {id: winner(of) for id, of in side.items()} for name, side in replies.items()}
    out: dict[str, str] = {}
    for id in base:
        for side in won.values():
            if not side[id].score.counts:
                out.setdefault(id, side[id].score.outcome)
    counted = {name: {id: one for id, one in side.items() if id not in out} for name, side in won.items()}
    judged = verdict(rows(counted["base"].values()), rows(counted["adapter"].values()), names)
    facts: dict[str, Any] = {
        "counted": len(base) - len(out),
        "left_out": dict(sorted(Counter(out.values()).items())),
    }
    intervals = _intervals(counted)
    for name, side in counted.items():
        own = judged.base if name == "base" else judged.adapter
        facts[name] = own.dict() | {
            "greedy_accuracy": _greedy({id: replies[name][id] for id in side}),
            "value": math.fsum(one.score.value for one in side.values()) / len(side),
            "value_ci95": list(intervals[name]),
            "measures": _measures([one.score for one in side.values()]),
            "outcomes": dict(Counter(one.score.outcome for one in side.values()).most_common()),
            "cut": sum(one.finish == "length" for one in side.values()) / len(side),
            "overflow": sum(one.finish == "overflow" for one in side.values()) / len(side),
        }
    facts["paired"] = {
        "value_difference": facts["adapter"]["value"] - facts["base"]["value"],
        "value_ci95": list(intervals["difference"]),
    }
    return judged, facts


def alone(replies: Mapping[str, Sequence[Scored]]) -> dict[str, Any]:
    """The figures of a base that is compared with nothing. UsageError where no question says anything of it."""
    itself = compare(replies, replies, ("base", "base"))
    return {name: itself[name] for name in ("counted", "left_out", "base")}


def answer_of(outcome: str) -> str | None:
    """What stands for an answer where a verdict compares: the outcome, "right" being the key; None if unreadable."""
    return None if outcome in _UNREADABLE else outcome


def rows(won: Iterable[Scored]) -> list[dict[str, Any]]:
    """One subject's answers as `evals.verdict` takes them."""
    return [
        {"id": one.question, "group": one.group, "gold": RIGHT, "answer": answer_of(one.score.outcome)} for one in won
    ]


def _intervals(counted: Mapping[str, Mapping[str, Scored]]) -> dict[str, tuple[float, float]]:
    figures: dict[str, list[list[float]]] = defaultdict(list)
    for id, one in counted["base"].items():
        before, after = one.score.value, counted["adapter"][id].score.value
        figures[one.group].append([before, after, after - before])
    found = clustered_bootstrap(figures, seed_of("values", *sorted(counted["base"])))
    return dict(zip(("base", "adapter", "difference"), found, strict=True))


def _greedy(replies: Mapping[str, Sequence[Scored]]) -> float | None:
    said = [next((r for r in of if r.index == GREEDY), None) for of in replies.values()]
    found = [one.score.right for one in said if one is not None]
    return sum(found) / len(found) if found else None


def _measures(scores: Sequence[Score]) -> dict[str, float]:
    """The mean of each measure, over the answers that have it."""
    found: dict[str, list[float]] = defaultdict(list)
    for score in scores:
        for name, value in score.measures.items():
            found[name].append(value)
    return {name: math.fsum(values) / len(values) for name, values in found.items()}
