"""Votes on one question become a ballot; ballots become a vote curve.

    letters read from n samples ──count──▶ Ballot ──vote_curve──▶ accuracy at k = 1..n votes
                                            └──pass_curve──▶ share with any right among k

The rule. The option with the most votes wins. None is an abstention: it is kept on the ballot and
never wins. Options with the same text are one answer under the first of their letters, the key
included. A tie falls to one of the tied answers by a draw seeded with the question's id and the tied
letters: it depends on neither the order of the votes nor the position of the options nor the key, and
two subjects with the same tie on the same question get the same draw.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from evals.stats import clustered_shares, pass_at
from storage.records import LETTERS, Ballot, Question, seed_of

_EXACT_UP_TO = 4096
_DRAWS = 400


class Point(NamedTuple):
    """The accuracy of the majority of k votes, with its 95 % interval."""

    k: int
    accuracy: float
    lo: float
    hi: float


def same_answer(options: Sequence[str]) -> dict[str, str]:
    """Each option's letter and the letter it counts under: the first with the same text.

    >>> same_answer(["red", "blue", "red "])
    {'A': 'A', 'B': 'B', 'C': 'A'}
    """
    first: dict[str, str] = {}
    return {
        letter: first.setdefault(" ".join(text.split()), letter) for letter, text in zip(LETTERS, options, strict=False)
    }


def count(question: Question, votes: Iterable[str | None]) -> Ballot:
    """The ballot of one question. Votes, key and winner stand under the letters of `same_answer`.

    ValueError for a letter that is no option: the reader of replies must have abstained.
    """
    under = same_answer(question.options)
    cast = tuple(votes)
    if unknown := {v for v in cast if v is not None and v not in under}:
        raise ValueError(f"votes {sorted(unknown)} on question {question.id}; expected {question.letters} or None")
    merged = tuple(None if v is None else under[v] for v in cast)
    tally = dict(sorted(Counter(v for v in merged if v is not None).items()))
    gold = None if question.answer is None else under[question.answer]
    return Ballot(question.id, question.group, gold, merged, majority(question.id, tally), tally)


def majority(question_id: str, tally: Mapping[str, int]) -> str | None:
    """The answer with most votes, ties by the module's rule; None where nobody voted."""
    most = max(tally.values(), default=0)
    if most == 0:
        return None
    tied = sorted(letter for letter, n in tally.items() if n == most)
    return tied[seed_of("tie", question_id, "".join(tied)) % len(tied)] if len(tied) > 1 else tied[0]


def vote_curve(ballots: Iterable[Ballot]) -> list[Point]:
    """Accuracy of the majority of k votes for k = 1 up to the fewest votes of any ballot: vote@k.

    Each question counts with the share of its k-subsets whose majority is right, so k = 1 is the mean
    accuracy of a single sample and k = n that of the ballots themselves. Subsets are decided by the
    same tie rule. Intervals are those of `clustered_shares`, by problem. Ballots without a key are left out.
    Subsets of a ballot that stopped early lean to its winner: cut all ballots to as many votes first.
    """
    return _curve(ballots, _right_by_k)


def pass_curve(ballots: Iterable[Ballot]) -> list[Point]:
    """The share of questions that at least one of k votes gets right: pass@k, as `vote_curve` in all else.

    Above the vote curve it shows what a better choice among the same replies could still gain.
    """
    return _curve(ballots, _any_right_by_k)


def _curve(ballots: Iterable[Ballot], shares_of: Callable[[Ballot], list[float]]) -> list[Point]:
    keyed = [b for b in ballots if b.gold is not None]
    most = min((len(b.votes) for b in keyed), default=0)
    if most == 0:
        return []
    by_problem: dict[str, list[list[float]]] = defaultdict(list)
    for ballot in sorted(keyed, key=lambda b: b.question):
        by_problem[ballot.group].append(shares_of(ballot)[:most])
    rows = [row for shares in by_problem.values() for row in shares]
    intervals = clustered_shares(by_problem, seed_of("curve", *sorted(b.question for b in keyed)))
    return [
        Point(k, math.fsum(column) / len(rows), *interval)
        for k, (column, interval) in enumerate(zip(zip(*rows, strict=True), intervals, strict=True), 1)
    ]


def _any_right_by_k(ballot: Ballot) -> list[float]:
    n, right = len(ballot.votes), ballot.votes.count(ballot.gold)
    return [pass_at(k, n, right) for k in range(1, n + 1)]


def _right_by_k(ballot: Ballot) -> list[float]:
    """For k = 1..n the share of k-subsets of the votes that elect the key."""
    held = Counter(ballot.votes)
    if math.prod(n + 1 for n in held.values()) <= _EXACT_UP_TO:
        return _all_subsets(ballot, held)
    return _some_subsets(ballot)


def _all_subsets(ballot: Ballot, held: Counter[str | None]) -> list[float]:
    # Subsets with the same number of each answer elect the same winner: go over those numbers.
    n = len(ballot.votes)
    won = [0] * (n + 1)
    for taken in itertools.product(*(range(c + 1) for c in held.values())):
        tally = {a: t for a, t in zip(held, taken, strict=True) if a is not None and t}
        if majority(ballot.question, tally) == ballot.gold:
            won[sum(taken)] += math.prod(math.comb(c, t) for c, t in zip(held.values(), taken, strict=True))
    return [won[k] / math.comb(n, k) for k in range(1, n + 1)]


def _some_subsets(ballot: Ballot) -> list[float]:
    draw = random.Random(seed_of("curve", ballot.question))
    # Sorted first, so that the draws depend on what was voted and not in which order.
    votes = sorted(ballot.votes, key=str)
    won = [0] * len(votes)
    for _ in range(_DRAWS):
        draw.shuffle(votes)
        tally: Counter[str] = Counter()
        for k, vote in enumerate(votes):
            if vote is not None:
                tally[vote] += 1
            won[k] += majority(ballot.question, tally) == ballot.gold
    return [w / _DRAWS for w in won]
