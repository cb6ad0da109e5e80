"""When to stop asking: votes come in rounds, and a question that is settled is asked no more.

    votes so far ──further──▶ how many to ask next, 0 where settled        (one question)
                 ──next_round──▶ the same of every question that goes on   (all in flight together)
    full ballots ──replay──▶ samples a rule would have saved, winners it would have kept

Three rules, from the strictest to the loosest promise:

- `Exact`: the winner under the tie rule of `evals.vote` can no longer change, whatever the rest says.
- `Beta(confidence)`: the answer ahead beats the runner-up with at least this probability. Aggarwal et al.
  (2023), "Let's sample step by step: Adaptive-Consistency", arXiv 2305.11860, the Beta criterion.
- `Window(size)`: a window of so many votes agrees. Li et al. (2024), "Escape sky-high cost: early-stopping
  self-consistency", arXiv 2401.10480; windows follow each other and do not overlap.

The published rules know no last vote; here they stop as well where `Exact` does, which costs no winner.
The winner is the majority of the votes that were cast, by the same tie rule. All rules count plain votes.
Abstentions are votes that nobody gets: they use up the number of votes and settle nothing else.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from evals.vote import majority
from storage.records import Ballot


@dataclass(frozen=True, slots=True)
class Race:
    """The vote on one question while it goes on: at most `most` votes, each one of `letters` or None.

    `letters` are the answers that can win: the values of `same_answer`. `question` is the id that decides ties.
    """

    question: str
    letters: tuple[str, ...]
    most: int
    votes: tuple[str | None, ...] = ()

    def __post_init__(self) -> None:
        if len(self.votes) > self.most:
            raise ValueError(f"{len(self.votes)} votes on question {self.question}; expected {self.most} at most")
        if unknown := {v for v in self.votes if v is not None and v not in self.letters}:
            raise ValueError(f"votes {sorted(unknown)} on question {self.question}; expected {self.letters} or None")

    @property
    def left(self) -> int:
        return self.most - len(self.votes)

    @property
    def tally(self) -> Counter[str]:
        return Counter(vote for vote in self.votes if vote is not None)

    def after(self, votes: Iterable[str | None]) -> Race:
        """The race when these votes came in."""
        return Race(self.question, self.letters, self.most, (*self.votes, *votes))


@dataclass(frozen=True, slots=True)
class Exact:
    """Stop when no way to cast the remaining votes elects another."""

    def settles(self, race: Race) -> bool:
        """True if and only if the winner of the full vote is known.

        It is enough to hand all r remaining votes to each rival alone. If any can win, it wins so: it
        overtakes, or it draws level with nobody but the answer ahead. A tie of more would need r votes for
        each of them, as each is at least r behind, or it could overtake.
        """
        tally = race.tally
        if race.left == 0 or not tally:
            return race.left == 0
        ahead, most = tally.most_common(1)[0]
        for rival in race.letters:
            lead = most - tally[rival]
            if rival != ahead and (
                lead < race.left or (lead == race.left and majority(race.question, {ahead: most, rival: most}) != ahead)
            ):
                return False
        return True


@dataclass(frozen=True, slots=True)
class Beta:
    """Stop when P(share of the answer ahead > share of the runner-up) >= confidence, these two alone counted.

    With a and b votes and a uniform prior the share of the answer ahead is Beta(a + 1, b + 1) distributed, so
    P(share > 1/2) = P(Binomial(a + b + 1, 1/2) <= a), a sum of whole numbers.
    """

    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not 0.5 < self.confidence < 1:
            raise ValueError(f"confidence {self.confidence}; expected more than 0.5 and less than 1")

    def settles(self, race: Race) -> bool:
        first, second = (*(n for _, n in race.tally.most_common(2)), 0, 0)[:2]
        return lead_probability(first, second) >= self.confidence or Exact().settles(race)


@dataclass(frozen=True, slots=True)
class Window:
    """Stop when all `size` votes of a window are the same answer; a window of abstentions agrees on nothing."""

    size: int = 4

    def __post_init__(self) -> None:
        if self.size < 2:
            raise ValueError(f"window of {self.size}; expected 2 votes or more")

    def settles(self, race: Race) -> bool:
        ends = range(self.size, len(race.votes) + 1, self.size)
        windows = (set(race.votes[end - self.size : end]) for end in ends)
        return any(len(w) == 1 and None not in w for w in windows) or Exact().settles(race)


Rule = Exact | Beta | Window


class Replay(NamedTuple):
    """A rule over full ballots: votes it would have asked for, of how many; winners it would have kept."""

    questions: int
    votes: int
    asked: int
    equal: int

    @property
    def saved(self) -> float:
        """The share of votes not asked for."""
        return 1 - self.asked / self.votes if self.votes else 0.0

    @property
    def agreement(self) -> float:
        """The share of questions with the winner of the full vote."""
        return self.equal / self.questions if self.questions else 1.0


def lead_probability(ahead: int, behind: int) -> float:
    """P(p > 1/2) for p ~ Beta(ahead + 1, behind + 1).

    >>> lead_probability(4, 0)
    0.96875
    """
    n = ahead + behind + 1
    return sum(math.comb(n, i) for i in range(ahead + 1)) / (1 << n)


def further(race: Race, rule: Rule) -> int:
    """The fewest votes after which the rule could stop, 0 where it does.

    Asking for so many at once asks for none too many: the rule could not have stopped before. It stops
    soonest where all further votes are for one answer.
    """
    if rule.settles(race):
        return 0
    return next(k for k in range(1, race.left + 1) if any(rule.settles(race.after(x * k)) for x in race.letters))


def next_round(races: Iterable[Race], rule: Rule) -> dict[str, int]:
    """How many votes to ask for next, by question; settled questions are left out, none left means done."""
    return {race.question: more for race in races if (more := further(race, rule))}


def replay(ballots: Iterable[Ballot], letters: Mapping[str, Sequence[str]], rule: Rule) -> Replay:
    """What the rule would have done on ballots of all votes, cast in their order.

    `letters` gives by question id the answers that can win, the values of `same_answer`. Each ballot's
    number of votes is taken for the most there could be.
    """
    questions = votes = asked = equal = 0
    for ballot in ballots:
        race = Race(ballot.question, tuple(sorted(set(letters[ballot.question]))), len(ballot.votes))
        while more := further(race, rule):
            race = race.after(ballot.votes[len(race.votes) : len(race.votes) + more])
        questions, votes, asked = questions + 1, votes + race.most, asked + len(race.votes)
        equal += majority(race.question, race.tally) == ballot.winner
    return Replay(questions, votes, asked, equal)
