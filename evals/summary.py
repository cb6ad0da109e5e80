"""Samples and ballots of base and adapters -> the numbers of an evaluation.

    summary(questions, samples, ballots)  -> accuracies, vote curves, slices, the paired verdict

`accuracy` is the share of all questions whose majority vote is right; `greedy_accuracy`,
`single_accuracy` and `forced_accuracy` are those of the greedy reply, of one vote on average, and of the
forced letter. `unreadable` is the share of questions whose vote no answer won; `unreadable_samples`
that of single votes without an answer. What cannot be read is wrong everywhere.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evals.stats import wilson
from evals.verdict import verdict
from evals.vote import same_answer, vote_curve
from storage.records import Ballot, Question, Sample

GREEDY, FORCED = -1, -2
MOST_SLICES = 24
_STEM = re.compile(r"[A-Za-z][A-Za-z_]*")


def summary(
    questions: Sequence[Question],
    samples: Mapping[str, Sequence[Sample]],
    ballots: Mapping[str, Mapping[str, Ballot]],
    adapter: str,
) -> dict[str, Any]:
    """The figures of "base" and of one adapter, side by side. Both hold ballots by question id."""
    sides = {"base": "base", "adapter": adapter}
    return {
        **{side: _side(questions, samples[name], ballots[name]) for side, name in sides.items()},
        "curves": {side: [list(p) for p in vote_curve(_even(ballots[name].values()))] for side, name in sides.items()},
        "slices": _slices(questions, ballots["base"], ballots[adapter]),
        "paired": verdict(
            _rows(ballots["base"].values()), _rows(ballots[adapter].values()), ("base", adapter)
        ).paired(),
    }


def same_replies(one: Iterable[Sample], other: Iterable[Sample]) -> bool:
    """True if two subjects said the very same wherever nothing was drawn: one of them is not what it should be."""

    def fixed(samples: Iterable[Sample]) -> dict[tuple[str, int], str]:
        return {(s.question, s.index): s.text for s in samples if s.index < 0}

    return fixed(one) == fixed(other)


def _side(questions: Sequence[Question], samples: Sequence[Sample], ballots: Mapping[str, Ballot]) -> dict[str, Any]:
    n, right = len(questions), sum(b.right for b in ballots.values())
    votes = [vote for b in ballots.values() for vote in b.votes]
    replies = [s for s in samples if s.index != FORCED]
    even = vote_curve(_even(ballots.values()))
    return {
        "accuracy": right / n,
        "ci95": list(wilson(right, n)),
        "greedy_accuracy": _share(questions, samples, GREEDY),
        "single_accuracy": even[0].accuracy if even else None,
        "forced_accuracy": _share(questions, samples, FORCED),
        "unreadable": sum(b.winner is None for b in ballots.values()) / n,
        "unreadable_samples": sum(v is None for v in votes) / len(votes) if votes else 0.0,
        "samples": len(votes),
        "cut": sum(s.finish == "length" for s in replies) / len(replies) if replies else 0.0,
        "overflow": sum(s.finish == "overflow" for s in replies) / len(replies) if replies else 0.0,
    }


def _share(questions: Sequence[Question], samples: Iterable[Sample], index: int) -> float | None:
    """The share of right answers among the replies of one index."""
    answers = {s.question: s.answer for s in samples if s.index == index}
    if not answers:
        return None
    right = 0
    for question in questions:
        under = same_answer(question.options)
        answer = answers.get(question.id)
        right += answer is not None and under[answer] == under[str(question.answer)]
    return right / len(questions)


def _even(ballots: Iterable[Ballot]) -> list[Ballot]:
    """Ballots cut to the votes that all questions have: where hard questions were asked more, a mean would lean."""
    ballots = list(ballots)
    fewest = min((len(b.votes) for b in ballots), default=0)
    return [replace(b, votes=b.votes[:fewest]) for b in ballots]


def _slices(
    questions: Sequence[Question], base: Mapping[str, Ballot], adapter: Mapping[str, Ballot]
) -> list[dict[str, Any]]:
    by: dict[str, Callable[[Question], str]] = {
        "family": _family,
        "language": lambda q: q.language,
        "options": lambda q: str(len(q.options)),
    }
    found = []
    for what, of in by.items():
        parts: dict[str, list[Question]] = defaultdict(list)
        for question in questions:
            parts[of(question)].append(question)
        if 1 < len(parts) <= MOST_SLICES or (what == "language" and len(parts) == 1):
            found += [
                {
                    "by": what,
                    "name": name,
                    "n": len(part),
                    "base": sum(base[q.id].right for q in part) / len(part),
                    "adapter": sum(adapter[q.id].right for q in part) / len(part),
                }
                for name, part in sorted(parts.items())
            ]
    return found


def _family(question: Question) -> str:
    """The word that a source's id begins with, such as "boxes" of "boxes-en-000012"."""
    stem = _STEM.match(question.source_id)
    return stem[0] if stem else "other"


def _rows(ballots: Iterable[Ballot]) -> list[dict[str, Any]]:
    return [{"id": b.question, "group": b.group, "gold": b.gold, "answer": b.winner} for b in ballots]
