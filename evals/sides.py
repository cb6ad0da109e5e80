"""One subject's replies and ballots -> its figures.

`accuracy` is the share of all questions whose vote is right; `readable_accuracy` that of the questions
which some answer won. `greedy_accuracy`, `single_accuracy` and `forced_accuracy` are those of the greedy
reply, of one vote on average, and of the forced letter. `unreadable` is the share of questions whose vote
no answer won; `unreadable_samples` that of single votes without an answer. What cannot be read is wrong
everywhere but in `readable_accuracy`. `extractors` counts, by what read them, votes and right votes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from evals.calibration import Calibration, calibration
from evals.stats import wilson
from evals.vote import majority, pass_curve, same_answer, vote_curve
from storage.records import FORCED, GREEDY, Ballot, Question, Sample


def side(questions: Sequence[Question], samples: Sequence[Sample], ballots: Mapping[str, Ballot]) -> dict[str, Any]:
    """The figures of one subject; without samples, as a vote across adapters has none, only what ballots say."""
    n, right = len(questions), sum(b.right for b in ballots.values())
    won = sum(b.winner is not None for b in ballots.values())
    votes = [vote for b in ballots.values() for vote in b.votes]
    replies = [s for s in samples if s.index != FORCED]
    drawn = [s for s in samples if s.index >= 0]
    cut = even(ballots.values())
    return {
        "accuracy": right / n,
        "ci95": list(wilson(right, n)),
        "readable_accuracy": right / won if won else None,
        "greedy_accuracy": _share(questions, samples, GREEDY),
        "single_accuracy": math.fsum(b.votes.count(b.gold) / len(b.votes) for b in cut) / n
        if all(b.votes for b in cut)
        else None,
        "forced_accuracy": _share(questions, samples, FORCED),
        "unreadable": 1 - won / n,
        "unreadable_samples": sum(v is None for v in votes) / len(votes) if votes else 0.0,
        "samples": len(votes),
        "cut": _ended(replies, "length"),
        "overflow": _ended(replies, "overflow"),
        "extractors": _read_by(questions, drawn),
        "abstentions": _counts(s.extractor for s in drawn if s.answer is None),
        "calibration": _told(calibration(cut)),
    }


def curves(ballots: Mapping[str, Ballot]) -> tuple[list[list[float]], list[list[float]]]:
    """vote@k and pass@k as points [k, accuracy, lo, hi], up to as many votes as every question has."""
    cut = even(ballots.values())
    return [list(p) for p in vote_curve(cut)], [list(p) for p in pass_curve(cut)]


def even(ballots: Iterable[Ballot]) -> list[Ballot]:
    """Ballots cut to the votes that all questions have: where hard questions were asked more, a mean would lean.

    A ballot's first votes were asked for whatever they said; it elects anew.
    """
    ballots = list(ballots)
    fewest = min((len(b.votes) for b in ballots), default=0)
    return [_cut(b, fewest) for b in ballots]


def _cut(ballot: Ballot, votes: int) -> Ballot:
    if len(ballot.votes) == votes:
        return ballot
    kept = ballot.votes[:votes]
    tally = Counter(v for v in kept if v is not None)
    return replace(ballot, votes=kept, tally=tally, winner=majority(ballot.question, tally))


def _ended(replies: Sequence[Sample], finish: str) -> float:
    return sum(s.finish == finish for s in replies) / len(replies) if replies else 0.0


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())


def _read_by(questions: Sequence[Question], drawn: Iterable[Sample]) -> dict[str, dict[str, int]]:
    """Votes that were read, and how many of them are the key, by extractor, the busiest first."""
    keys = {q.id: (same_answer(q.options), str(q.answer)) for q in questions}
    read, right = Counter[str](), Counter[str]()
    for sample in drawn:
        if sample.answer is not None:
            under, key = keys[sample.question]
            read[sample.extractor] += 1
            right[sample.extractor] += under[sample.answer] == under[key]
    return {name: {"n": n, "right": right[name]} for name, n in read.most_common()}


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


def _told(found: Calibration) -> dict[str, Any]:
    return asdict(found) | {"bins": [list(one) for one in found.bins]}
