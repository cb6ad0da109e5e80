"""reason: ask a teacher for rationales of every question with a key, keep those worth training on.

Rows in: `questions.parquet` of the parse step (splits train and valid). Rows out: `rationales.parquet`,
one row a request, kept or not and why, in the order of the questions. Every reply comes out
of the ledger, so the same ledger gives the same table whatever the order, the workers or the
interruptions. Neither pass over the questions holds more than a few of them in memory.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from pydantic import Field, PrivateAttr

from prompts.choice import HOUSE, Choice
from storage.corrections import Corrections
from storage.ledger import Ledger, Tokens
from storage.records import Message, Question, Receipt, digest
from storage.tables.doubted_keys import SUSPECTS
from storage.tables.questions import Stored
from tasks.clients.usage import guess_of
from tasks.reason.rationales import PAGES, TABLE, Asked, heard, write
from tasks.runtime.step import Facts, Progress, Result, Secret, Step, Workshop, of
from tasks.teachers.build import model_name
from tasks.teachers.cluster_shares import share_out
from tasks.teachers.shortfall import limited, nothing, unanswered
from tasks.teachers.spec import AskSpec, Request, Tally, request
from tasks.teachers.stage import Asking

Prompt = Literal["solve", "explain"]
_LEARN_FROM = 500  # replies that an estimate looks at


class ReasonSpec(AskSpec):
    """The recipe's [reason]."""

    prompt: Literal["solve", "explain", "solve-then-explain"] | None = Field(
        default=None,
        description="solve hides the key, explain shows it; by default only what is not solved is explained.",
    )
    samples: int = Field(default=1, ge=1, le=64, description="Rationales asked for each question.")
    hints: int = Field(default=1, ge=1, le=64, description="Rationales asked with the key for a question not solved.")
    keep: int = Field(default=4, ge=1, description="Most rationales kept of a question: those that differ most.")
    near_copy: float = Field(default=0.8, gt=0, le=1, description="Likeness at which one of two rationales is dropped.")
    max_unanswered: float = Field(default=0.0, ge=0, le=1, description="Share of requests that may stay unanswered.")

    _words: Choice = PrivateAttr(default=HOUSE)

    def worded(self, words: object) -> ReasonSpec:
        """The same in a recipe's own words, where they are of multiple choice."""
        spec = self.model_copy()
        spec._words = words if isinstance(words, Choice) else HOUSE
        return spec

    def messages(self, prompt: Prompt, question: Question) -> list[Message]:
        """What a teacher is asked, with the recipe's system prompt before it."""
        first = [Message("system", self._words.system)] if self._words.system else []
        return [*first, *(self._words.explain if prompt == "explain" else self._words.solve)(question)]

    def named(self, prompt: Prompt) -> str:
        """How a prompt is called in the table of rationales."""
        return f"{self._words.VERSION}/{prompt}"

    @property
    def asks(self) -> Literal["solve", "explain", "solve-then-explain"]:
        return self.prompt or ("solve" if self.provider.solver else "solve-then-explain")

    @property
    def first(self) -> Prompt:
        """The prompt that every question is asked with."""
        return "explain" if self.asks == "explain" else "solve"

    @property
    def settings(self) -> dict[str, Any]:
        """What shapes the result; how fast, how patiently, where and at what price does not."""
        return {
            "model": model_name(self),
            "prompt": f"{self._words.VERSION}/{self.asks}",
            **({"system": self._words.system} if self._words.system else {}),
            **{name: getattr(self, name) for name in ("samples", "hints", "keep", "near_copy")},
            **{name: getattr(self, name) for name in ("max_tokens", "max_unanswered")},
            **self.sampling,
        }


def step(spec: ReasonSpec, questions: Receipt, corrections: Corrections | None = None) -> Step:
    """The step that turns parsed questions into rationales; keys that a person has settled are in doubt no more."""
    settled = corrections.settled if corrections else frozenset[str]()
    return Step(
        name="reason",
        code=(__name__,),
        settings=spec.settings,
        inputs={"questions": of(questions)} | ({"settled": digest(sorted(settled))} if settled else {}),
        work=lambda shop: reason(spec, Stored(shop.home, questions), shop, settled),
        shelf="rationales",
        tables={"rationales": TABLE, "suspects": SUSPECTS},
        pages=PAGES,
    )


def reason(
    spec: ReasonSpec, questions: Iterable[Question], shop: Workshop, settled: frozenset[str] = frozenset()
) -> Result:
    """Ask what the ledger does not have, then write the table from the ledger; `questions` is walked several times.

    PonensError if a limit was reached or too much stayed unanswered; what was answered is kept.
    """
    start = time.monotonic()
    with (
        shop.devices(0 if shop.cluster else spec.provider.gpus, first=True),
        Ledger(shop.home, durable=not spec.provider.free) as ledger,
    ):
        if shop.cluster:
            tally, total = share_out(ask, spec, questions, lambda q: _open(spec, q, ledger), shop)
            ledger.refresh()
        else:
            tally, total = ask(spec, questions, ledger, shop.progress, shop.secret, Tally())
        if not total:
            raise nothing(questions)
        if tally.limit:
            raise limited(spec, tally, total)
        items = ((q, asked(spec, q, ledger)) for q in wanted(questions))
        facts, identity = write(
            shop.folder, items, model=model_name(spec), settled=settled, keep=spec.keep, near_copy=spec.near_copy
        )
    if facts["unanswered"] > spec.max_unanswered * total:
        raise unanswered(tally, facts["unanswered"], total, spec.max_unanswered)
    spent = {
        "asked": tally.asked,
        "from_ledger": tally.from_ledger,
        "tokens": tally.tokens.dict(),
        "tokens_estimated": tally.estimated,
        "cost": _round(tally.spent),
    }
    about = {"teacher": spec.teacher, "model": model_name(spec)}
    return Result({**about, **spent, **facts, "seconds": round(time.monotonic() - start, 3)}, identity)


def ask(
    spec: ReasonSpec, questions: Iterable[Question], ledger: Ledger, tell: Progress, secret: Secret, before: Tally
) -> tuple[Tally, int]:
    """Ask what the ledger does not have; what came of it, going on from `before`, and how many requests there were.

    With the key hidden first and shown for what was not solved, where that is the plan.
    """
    total = _count(questions) * spec.samples
    with Asking(spec, ledger, tell, lambda r: _guess(spec, r.messages), secret, before) as go:
        go((r for q in wanted(questions) for r in plan(spec, q)), total)
        if spec.asks == "solve-then-explain" and not go.tally.limit:
            places = array("Q", (n for n, q in enumerate(wanted(questions)) if unsolved(spec, q, ledger)))
            total += len(places) * spec.hints
            go((r for q in _at(wanted(questions), places) for r in plan(spec, q, "explain")), total)
    return go.tally, total


def wanted(questions: Iterable[Question]) -> Iterator[Question]:
    """The questions to ask for: those with a key that are not kept back for testing."""
    return (q for q in questions if q.answer is not None and q.split != "test")


def plan(spec: ReasonSpec, question: Question, prompt: Prompt | None = None) -> Iterator[Request]:
    """The requests that a question makes with one prompt, by default the first."""
    prompt = prompt or spec.first
    messages = spec.messages(prompt, question)
    for sample in range(spec.samples if prompt == spec.first else spec.hints):
        yield request(spec, messages, sample)


def unsolved(spec: ReasonSpec, question: Question, ledger: Ledger) -> bool:
    """True if every first request of a question is settled and no reply to it agrees with the key."""
    found = (heard(question, "", item, ledger) for item in plan(spec, question))
    return all(one.entry and not one.right for one in found)


def asked(spec: ReasonSpec, question: Question, ledger: Ledger) -> list[Asked]:
    """Every request that a question came to, with what the ledger has of it."""
    found = [heard(question, spec.named(spec.first), item, ledger) for item in plan(spec, question)]
    if spec.asks == "solve-then-explain" and all(one.entry and not one.right for one in found):
        hints = plan(spec, question, "explain")
        found += [heard(question, spec.named("explain"), item, ledger) for item in hints]
    return found


def estimate(spec: ReasonSpec, questions: Iterable[Question], ledger: Ledger) -> Facts:
    """What asking would send and cost, in the words of the step's facts; sends nothing.

    Tokens are learned from the ledger where it has replies of the model (`learned_from` of them), else
    guessed from the text's length and 400 a reply, `max_tokens` where that is less. `asked` is what is
    sure to be asked; `at_most` is the same if no question still open were solved without its key.
    """
    if not (count := _count(questions)):
        raise nothing(questions)
    habit = _habit(spec, questions, ledger)
    total = to_ask = more = 0
    sent = sent_more = 0.0
    for question in wanted(questions):
        open_ones = _unsettled(spec, plan(spec, question), ledger)
        total += spec.samples
        to_ask += len(open_ones)
        sent += sum(guess_of(r.messages) for r in open_ones)
        if spec.asks == "solve-then-explain" and (open_ones or unsolved(spec, question, ledger)):
            hints = list(plan(spec, question, "explain"))
            open_hints = _unsettled(spec, hints, ledger)
            tokens = sum(guess_of(r.messages) for r in open_hints)
            if open_ones:
                more, sent_more = more + len(open_hints), sent_more + tokens
            else:
                total, to_ask, sent = total + len(hints), to_ask + len(open_hints), sent + tokens
    sure, most = (habit.tokens(s, n) for s, n in ((sent, to_ask), (sent + sent_more, to_ask + more)))
    return {
        "estimate": True,
        "teacher": spec.teacher,
        "model": model_name(spec),
        "questions": count,
        "requests": total,
        "asked": to_ask,
        "from_ledger": total - to_ask,
        "kept": None,
        "rejected": {},
        "unanswered": 0,
        "tokens": sure.dict(),
        "cost": _cost(spec, sure, to_ask),
        "at_most": {"asked": to_ask + more, "tokens": most.dict(), "cost": _cost(spec, most, to_ask + more)},
        "learned_from": habit.replies,
        "seconds": None,
    }


@dataclass(frozen=True)
class _Habit:
    """What a reply of the model costs in tokens: `scale` times the guess for the prompt, `out` for the reply."""

    scale: float
    out: float
    reasoning: float
    replies: int

    def tokens(self, sent: float, replies: int) -> Tokens:
        return Tokens(round(sent * self.scale), round(replies * self.out), round(replies * self.reasoning))


def _habit(spec: ReasonSpec, questions: Iterable[Question], ledger: Ledger) -> _Habit:
    """Learned from this plan's replies that the ledger has, else from the model's latest, else guessed."""
    settled = ((r, e) for q in wanted(questions) for r in plan(spec, q) if (e := ledger.find(r.key)))
    known = [(r, e) for r, e in islice(settled, _LEARN_FROM) if e.tokens.out]
    billed = sum(e.tokens.sent for _, e in known)
    scale = billed / sum(guess_of(r.messages) for r, _ in known) if billed else 1.0
    replies = [e.tokens for _, e in known] or [
        e.tokens for e in ledger.recent(model_name(spec), _LEARN_FROM) if e.tokens.out
    ]
    if not replies:
        return _Habit(scale, min(400, spec.max_tokens or 400), 0, 0)
    mean = sum(replies, Tokens())
    return _Habit(scale, mean.out / len(replies), mean.reasoning / len(replies), len(replies))


def _count(questions: Iterable[Question]) -> int:
    return sum(1 for _ in wanted(questions))


def _open(spec: ReasonSpec, question: Question, ledger: Ledger) -> int:
    """The most requests that a question may still make."""
    if not _count([question]):
        return 0
    found = _unsettled(spec, plan(spec, question), ledger)
    if spec.asks == "solve-then-explain" and (found or unsolved(spec, question, ledger)):
        found += _unsettled(spec, plan(spec, question, "explain"), ledger)
    return len(found)


def _unsettled(spec: ReasonSpec, requests: Iterable[Request], ledger: Ledger) -> list[Request]:
    return [r for r in requests if not ledger.settled(r.key, spec.max_tokens, again=spec.again)]


def _at(questions: Iterator[Question], places: array[int]) -> Iterator[Question]:
    """The questions at these places, which rise."""
    before = -1
    for place in places:
        yield next(islice(questions, place - before - 1, None))
        before = place


def _guess(spec: ReasonSpec, messages: tuple[Message, ...]) -> float:
    return spec.price.of(Tokens(guess_of(messages), min(400, spec.max_tokens or 400))) if spec.price else 0.0


def _cost(spec: ReasonSpec, tokens: Tokens, replies: int) -> float | None:
    return _round(spec.price.of(tokens)) if spec.price else (None if replies else 0.0)


def _round(cost: float | None) -> float | None:
    return None if cost is None else round(cost, 6)
