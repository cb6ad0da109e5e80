"""How far an answer can be trusted: by its share of the votes, and when the options change places.

ballots ──calibration──▶ reliability table, expected calibration error, Brier score
answers under several orders of the options ──consistency──▶ who stays, and which place is favoured
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from evals.stats import clustered_shares, wilson
from storage.records import LETTERS, Ballot, seed_of

BINS = 10


class Bin(NamedTuple):
    """Winners with a share of votes in (above, up_to]: how many, their mean share, their accuracy and its interval."""

    above: float
    up_to: float
    n: int
    share: float
    accuracy: float
    lo: float
    hi: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """`ece` and `brier` are 0 for a perfect oracle of itself; None where no question has a winner."""

    bins: tuple[Bin, ...]
    n: int
    unanswered: int
    ece: float | None
    brier: float | None


@dataclass(frozen=True, slots=True)
class Consistency:
    """Questions whose options, no two alike, were shown in several orders.

    `same` is the share answered alike, and readably, in every order, with its interval by problem; `pairs` the mean
    share of pairs of orders that agree. `places[i]` counts answers that stood in place i.
    """

    questions: int
    same: float
    ci95: tuple[float, float]
    pairs: float
    places: tuple[int, ...]


class Shown(NamedTuple):
    """One showing of a question: `order` names the option that stood first, second, …; `answer` its place's letter.

    An `order` of (2, 0, 1) put the third option first. None is an answer that could not be read.
    """

    order: tuple[int, ...]
    answer: str | None

    @property
    def option(self) -> int | None:
        """Which option was meant, counted in the question's own order."""
        return None if self.answer is None else self.order[LETTERS.index(self.answer)]


def calibration(ballots: Iterable[Ballot]) -> Calibration:
    """The winner's share of all votes, abstentions counted, held against whether it is right.

    Ten equal bins, those without a winner in them left out. ECE is the mean over questions of
    |accuracy - share| of their bin: Naeini et al. (2015), AAAI, as in Guo et al. (2017), "On calibration of
    modern neural networks", arXiv 1706.04599. Brier (1950), Monthly Weather Review 78, in its form for yes or no:
    the mean of (share - right)^2. Questions without a winner are counted apart, those without a key left out.
    Shares of ballots that stopped early are too high: cut all ballots to as many votes first.
    """
    keyed = [b for b in ballots if b.gold is not None]
    known = [(b.tally[b.winner] / len(b.votes), b.right) for b in keyed if b.winner is not None]
    found = []
    for number, members in itertools.groupby(sorted(known), key=lambda pair: max(0, math.ceil(pair[0] * BINS) - 1)):
        shares, rights = zip(*members, strict=True)
        n, right = len(shares), sum(rights)
        edges = number / BINS, (number + 1) / BINS
        found.append(Bin(*edges, n, math.fsum(shares) / n, right / n, *wilson(right, n)))
    if not known:
        return Calibration((), 0, len(keyed), None, None)
    ece = math.fsum(b.n * abs(b.accuracy - b.share) for b in found) / len(known)
    brier = math.fsum((share - right) ** 2 for share, right in known) / len(known)
    return Calibration(tuple(found), len(known), len(keyed) - len(known), ece, brier)


def consistency(showings: Mapping[str, Sequence[Shown]], groups: Mapping[str, str]) -> Consistency | None:
    """How far answers follow the options rather than their places; None without questions.

    `showings` holds by question id two or more showings each, `groups` the problem of each question. An answer that
    cannot be read agrees with nothing. A model that looks at the options alone fills all places as often
    as its answers stand there: Zheng et al. (2024), "Large language models are not robust multiple choice
    selectors", arXiv 2309.03882. ValueError for a question shown once, or an order that is no permutation.
    """
    if not showings:
        return None
    pairs: dict[str, float] = {}
    by_problem: dict[str, list[list[float]]] = {}
    places: Counter[int] = Counter()
    for question, shown in sorted(showings.items()):
        _check(question, shown)
        options = [s.option for s in shown]
        alike = [a is not None and a == b for a, b in itertools.combinations(options, 2)]
        pairs[question] = sum(alike) / len(alike)
        by_problem.setdefault(groups[question], []).append([float(all(alike))])
        places.update(LETTERS.index(s.answer) for s in shown if s.answer is not None)
    same = sum(row[0] for rows in by_problem.values() for row in rows) / len(showings)
    return Consistency(
        len(showings),
        same,
        clustered_shares(by_problem, seed_of("consistency", *sorted(showings)))[0],
        math.fsum(pairs.values()) / len(pairs),
        tuple(places[i] for i in range(max(len(s.order) for shown in showings.values() for s in shown))),
    )


def _check(question: str, shown: Sequence[Shown]) -> None:
    if len(shown) < 2:
        raise ValueError(f"question {question} was shown {len(shown)} times; expected 2 or more")
    for showing in shown:
        size = len(shown[0].order)
        letters = LETTERS[:size]
        if sorted(showing.order) != list(range(size)):
            raise ValueError(f"order {showing.order} of question {question}; expected a permutation of {size} options")
        if showing.answer is not None and showing.answer not in letters:
            raise ValueError(f"answer {showing.answer!r} on question {question}; expected one of {letters} or None")
