"""Elections on multiple-choice questions: what is asked, how replies become votes and votes a winner.

Electorate(questions, shuffles, weighting)
    .asks ──▶ an order's replies ──samples──▶ answers read ──ballots──▶ winners
    .together ──▶ the vote of several subjects      .consistency ──▶ the same under other orders of options
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

from evals.adaptive import Beta, Exact, Rule, Window
from evals.alarms import alarms, heard
from evals.calibration import Shown, consistency
from evals.vote import count
from evals.vote_weights import weighted_majority
from prompts.choice import HOUSE, Choice
from storage.records import Ballot, PonensError, Question, Sample
from tasks.evaluate.generation import Reply
from tasks.kinds.asks import Ask
from tasks.kinds.choice import ask, read, shuffled

Weighting = Literal["none", "logprob"]


class Electorate:
    """The questions of one evaluation, each under up to `shuffles` further orders of its options.

    `forced` is whether they are asked for a forced letter as well; `words` are how.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        shuffles: int = 0,
        weighting: Weighting = "none",
        *,
        forced: bool = True,
        words: Choice = HOUSE,
    ) -> None:
        self.questions, self.weighting = questions, weighting
        self._orders = {q.id: list(shuffled(q, shuffles, words)) for q in questions} if shuffles else {}
        # a source may hold a question under two orders: it is then asked once, and with all that its own ask wants
        others = {other.id: other for shown in self._orders.values() for _, other in shown}
        self._asks: dict[str, Ask] = others | {q.id: ask(q, words, forced=forced) for q in questions}

    @property
    def asks(self) -> list[Ask]:
        """What every subject is to be asked."""
        return list(self._asks.values())

    def samples(self, replies: Iterable[Reply]) -> dict[str, list[Sample]]:
        """The replies with the answers read, by subject."""
        found: dict[str, list[Sample]] = {}
        for reply in replies:
            reading = read(self._question(reply.ask), reply.index, reply.text, reply.finish)
            sample = Sample(
                reply.ask, reply.subject, reply.index, reply.text, reply.finish, reply.tokens,
                reading.answer, reading.extractor, reply.logprob,
            )  # fmt: skip
            found.setdefault(reply.subject, []).append(sample)
        return found

    def own(self, samples: Iterable[Sample]) -> list[Sample]:
        """Those of the questions as they are, without those of other orders."""
        ids = {q.id for q in self.questions}
        return [s for s in samples if s.question in ids]

    def ballots(self, samples: Iterable[Sample]) -> dict[str, Ballot]:
        """One subject's ballots by question, each with the votes in the order of their numbers."""
        votes = _votes(samples)
        return {q.id: self._elect(q, votes.get(q.id, [])) for q in self.questions}

    def together(self, samples: Sequence[Sequence[Sample]]) -> dict[str, Ballot]:
        """The vote of several subjects, question by question: as many votes of each, the first ones."""
        votes = [_votes(self.own(of)) for of in samples]
        fewest = min((len(cast) for of in votes for cast in of.values()), default=0)
        return {
            q.id: self._elect(q, [vote for of in votes for vote in of.get(q.id, [])[:fewest]]) for q in self.questions
        }

    def consistency(self, samples: Iterable[Sample], ballots: Mapping[str, Ballot]) -> dict[str, Any] | None:
        """How far one subject's winners follow the options and not their places; None where none were moved."""
        votes = _votes(samples)
        showings = {
            q.id: [
                Shown(tuple(range(len(q.options))), ballots[q.id].winner),
                *(Shown(order, self._elect(self._question(one.id), votes[one.id]).winner) for order, one in orders),
            ]
            for q in self.questions
            if (orders := self._orders.get(q.id))
        }
        found = consistency(showings, {q.id: q.group for q in self.questions})
        return asdict(found) if found else None

    def _question(self, id: str) -> Question:
        question = self._asks[id].question
        assert question is not None
        return question

    def _elect(self, question: Question, votes: Sequence[Sample]) -> Ballot:
        ballot = count(question, [vote.answer for vote in votes])
        if self.weighting == "none":
            return ballot
        return replace(ballot, winner=weighted_majority(question.id, ballot.votes, [v.logprob for v in votes]))


def _votes(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """Votes by question, in the order of their numbers."""
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.index >= 0:
            found.setdefault(sample.question, []).append(sample)
    return {id: sorted(votes, key=lambda vote: vote.index) for id, votes in found.items()}


def chosen(questions: Sequence[Question], limit: int | None) -> list[Question]:
    """The test questions with a key, at most `limit` of them, whatever their order in the source."""
    test = sorted((q for q in questions if q.split == "test" and q.answer), key=lambda q: q.id)
    if not test:
        raise PonensError(
            "there is no question to evaluate on",
            seen=f"{len(questions)} questions, none of them in the test split with an answer",
            expected="at least one",
            hint="raise [parse] test, or give a file with answers",
        )
    return test[:limit]


def rules(confidence: float, window: int) -> dict[str, Rule]:
    """The rules by which votes may stop early, by name."""
    return {"exact": Exact(), f"beta {confidence:g}": Beta(confidence), f"window {window}": Window(window)}


def warnings(samples: Mapping[str, Sequence[Sample]], max_tokens: int, weighting: Weighting) -> list[str]:
    """What is odd about the subjects' replies to the questions as they are."""
    found = alarms({name: [*map(heard, own)] for name, own in samples.items()}, max_tokens)
    for name, own in samples.items():
        bare = sum(s.index >= 0 and s.answer is not None and s.logprob is None for s in own)
        if bare and weighting == "logprob":
            found.append(f"{bare} votes of {name} have no log-probability, and no weight")
    return found
