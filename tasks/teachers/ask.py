"""Ask a teacher many things: each finished call in the ledger before it counts, faults retried or told.

    tally = ask_all(spec, requests, total, ledger, progress)

One retry layer for all providers: exponential backoff with full jitter, a server's Retry-After
obeyed. What a rerun would repeat for nothing (a wrong key, an empty account, a model that is not
there) stops the stage at once; what concerns one request is recorded and the stage goes on.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import tenacity
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ConfigDict, Field

from storage.ledger import Entry, Ledger, Tokens, request_key
from storage.records import Message, PonensError, UsageError, digest
from tasks.step import Progress, Tick
from tasks.teachers.build import TeacherSpec, model_name, teacher
from tasks.teachers.pool import each
from tasks.teachers.reply import Fault, Reply, extract, fault

log = logging.getLogger("ponens")
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
_LANGCHAIN = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}


class Price(BaseModel):
    """Price of a million tokens, in whatever currency the user thinks in."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    sent: float = Field(alias="in", ge=0)
    out: float = Field(ge=0)

    def of(self, tokens: Tokens) -> float:
        return (tokens.sent * self.sent + tokens.out * self.out) / 1e6


class AskSpec(TeacherSpec):
    """How to ask: what is tried again, when to stop, and what it may cost."""

    max_attempts: int = Field(default=12, ge=1)
    deadline: float = Field(default=600.0, gt=0)
    max_cost: float | None = Field(default=None, ge=0)
    max_requests: int | None = Field(default=None, ge=0)
    prices: dict[str, Price] = Field(default_factory=dict)
    again: bool = False

    @property
    def price(self) -> Price | None:
        """None where it is unknown; the embedded teacher is free."""
        return Price(sent=0, out=0) if self.teacher == "embedded" else self.prices.get(self.model)

    @property
    def sampling(self) -> dict[str, object]:
        """What shapes a reply besides the messages."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "thinking": self.thinking,
            "thinking_budget": self.thinking_budget,
        }


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to ask; `key` is its identity in the ledger."""

    key: str
    messages: tuple[Message, ...]
    sample: int


def request(spec: AskSpec, messages: Iterable[Message], sample: int) -> Request:
    messages = tuple(messages)
    return Request(request_key(model_name(spec), messages, spec.sampling, sample), messages, sample)


@dataclass
class Tally:
    """What happened in one go. `left` were not asked because a limit was reached first."""

    asked: int = 0
    from_ledger: int = 0
    left: int = 0
    limit: str = ""
    tokens: Tokens = Tokens()
    spent: float | None = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    in_hand: int = 0

    def add(self, entry: Entry) -> None:
        self.asked += 1
        self.outcomes[entry.outcome] += 1
        self.pay(entry)

    def pay(self, entry: Entry) -> None:
        self.tokens += entry.tokens
        if self.spent is not None and entry.tokens != Tokens():
            self.spent = None if entry.cost is None else self.spent + entry.cost


class _TryAgain(Exception):
    def __init__(self, why: Fault) -> None:
        self.why = why


@dataclass
class _Call:
    request: Request
    entries: list[Entry] = field(default_factory=list)
    attempts: int = 0


class Asker:
    """Asks one request at a time, from many threads at once."""

    def __init__(self, spec: AskSpec, model: BaseChatModel, ledger: Ledger, stop: threading.Event) -> None:
        self.spec, self.model, self.ledger, self.stop = spec, model, ledger, stop
        self.retrying = tenacity.Retrying(
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(spec.max_attempts),
                tenacity.stop_before_delay(spec.deadline),
                tenacity.stop_when_event_set(stop),
            ),
            wait=_wait,
            retry=tenacity.retry_if_exception_type(_TryAgain),
            sleep=tenacity.sleep_using_event(stop),
            reraise=True,
        )

    def __call__(self, request: Request) -> list[Entry]:
        """The rows this request added to the ledger; the last is its outcome.

        None if another process, or this one before, has the answer already. PonensError if no
        request at all can succeed.
        """
        while not self.ledger.claim(request.key):  # another process is asking the same: its answer will do
            if self.stop.wait(0.2) or self._settled(request):
                return []
        try:
            return [] if self._settled(request) else self._ask(request)
        finally:
            self.ledger.release(request.key)

    def _settled(self, request: Request) -> bool:
        self.ledger.refresh()
        return self.ledger.settled(request.key, self.spec.max_tokens, again=self.spec.again)

    def _ask(self, request: Request) -> list[Entry]:
        call = _Call(request)
        try:
            self.retrying(self._once, call)
        except _TryAgain as given_up:
            if self.stop.is_set():
                return call.entries  # told to stop between two attempts: this request has no outcome yet
            if not call.entries or given_up.why.error != "empty":
                self._record(call, Reply(""), given_up.why)
        return call.entries

    def _once(self, call: _Call) -> None:
        call.attempts += 1
        start = time.monotonic()
        try:
            message = self.model.invoke([_LANGCHAIN[m.role](m.content) for m in call.request.messages])
            reply = extract(message)
        except Exception as error:
            why = fault(error)
            if why.stop:
                raise self._stopped(why) from None
            if why.retry:
                raise _TryAgain(why) from None
            self._record(call, Reply(""), why)
            return
        self._record(call, reply, seconds=time.monotonic() - start)
        if reply.outcome == "empty":
            raise _TryAgain(Fault("empty", "a reply without text", retry=True))

    def _record(self, call: _Call, reply: Reply, why: Fault | None = None, seconds: float = 0.0) -> None:
        price = self.spec.price
        entry = Entry(
            key=call.request.key,
            outcome=reply.outcome if why is None else "refused" if why.refused else "failed",
            teacher=self.spec.teacher,
            model=model_name(self.spec),
            messages=digest([m.dict() for m in call.request.messages]),
            sample=call.request.sample,
            sampling=self.spec.sampling,
            max_tokens=self.spec.max_tokens,
            time=datetime.now(UTC).isoformat(timespec="milliseconds"),
            text=reply.text or reply.refusal,
            reasoning=reply.reasoning,
            finish=reply.finish,
            tokens=reply.tokens,
            price=price.model_dump(by_alias=True) if price else None,
            cost=price.of(reply.tokens) if price else None,
            seconds=round(seconds, 3),
            attempts=call.attempts,
            error=why.error if why else "",
            detail=why.detail[:500] if why else "",
        )
        self.ledger.record(entry)
        call.entries.append(entry)

    def _stopped(self, why: Fault) -> PonensError:
        at = self.spec.base_url or f"the {self.spec.teacher} teacher's own address"
        return PonensError(
            f"the teacher turned the request away, and would turn away all others ({why.error})",
            seen=why.detail[:500],
            expected=f"a key and a model ({self.spec.model}) that are valid at {at}",
            hint="set them right and run again: answers received so far are kept",
        )


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    jitter = random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2 ** (state.attempt_number - 1)))
    if isinstance(error, _TryAgain) and error.why.retry_after is not None:
        return error.why.retry_after + min(jitter, 1.0)  # all workers were told the same moment
    return jitter


def ask_all(
    spec: AskSpec,
    requests: Iterable[Request],
    total: int,
    ledger: Ledger,
    progress: Progress = lambda tick: None,
    guess: Callable[[Request], float] = lambda request: 0.0,
) -> Tally:
    """Ask for all that the ledger does not settle. What is asked and answered is kept, whatever happens.

    PonensError if the stage cannot go on. KeyboardInterrupt passes through once what was in hand has
    had its grace. `guess` is the likely cost of a request, for `max_cost` before any is known.
    """
    if spec.max_cost is not None and spec.price is None:
        raise UsageError(
            "max_cost needs the model's price",
            seen=f"no price for {spec.model!r}",
            expected=f'[reason.prices."{spec.model}"] with `in` and `out`, for a million tokens each',
            hint="add the price or leave max_cost away",
        )
    stop = threading.Event()
    asker = Asker(spec, teacher(spec), ledger, stop)
    tally, shown = Tally(), _Progress(total, progress)
    pool = each(
        _open(spec, requests, ledger, tally, guess),
        asker,
        workers=1 if spec.teacher == "embedded" else spec.workers,  # a solver in Python gains nothing from threads
        stop=stop,
        patience=spec.deadline + spec.timeout,
    )
    failure: Exception | None = None
    silent = 0
    try:
        for asked, outcome in pool:
            tally.in_hand -= 1
            if isinstance(outcome, TimeoutError):
                log.warning("request %s had no end: %s", asked.key[:12], outcome)
                tally.asked += 1
                tally.outcomes["failed"] += 1
            elif isinstance(outcome, Exception):
                failure = failure or outcome
                stop.set()
            elif not outcome:
                tally.from_ledger += 1
            else:
                for entry in outcome[:-1]:
                    tally.pay(entry)
                tally.add(outcome[-1])
                silent = silent + 1 if outcome[-1].outcome in ("failed", "empty") else 0
                if silent >= max(16, spec.workers) and failure is None:
                    failure = _silence(silent, outcome[-1])
                    stop.set()
            shown.tell(tally)
    except KeyboardInterrupt:
        log.warning("stopped by hand; %d replies of this run are in the ledger", tally.asked)
        pool.close()
        raise
    if failure:
        raise failure
    shown.tell(tally, last=True)
    return tally


def _open(
    spec: AskSpec, requests: Iterable[Request], ledger: Ledger, tally: Tally, guess: Callable[[Request], float]
) -> Iterator[Request]:
    """The requests still to ask, while the limits allow; counts those that are not."""
    begun = 0
    for item in requests:
        if ledger.settled(item.key, spec.max_tokens, again=spec.again):
            tally.from_ledger += 1
            continue
        if spec.max_requests is not None and begun >= spec.max_requests:
            tally.limit = "max_requests"
        elif spec.max_cost is not None:
            each_costs = (tally.spent or 0.0) / tally.asked if tally.asked else guess(item)
            if (tally.spent or 0.0) + each_costs * (tally.in_hand + 1) > spec.max_cost:
                tally.limit = "max_cost"
        if tally.limit:
            tally.left += 1
            continue
        begun += 1
        tally.in_hand += 1
        yield item


def _silence(count: int, last: Entry) -> PonensError:
    return PonensError(
        f"{count} requests in a row brought no answer",
        seen=f"{last.error or last.outcome}: {last.detail}",
        expected="a teacher that answers",
        hint="see to the teacher and run again: answers received so far are kept",
    )


@dataclass
class _Progress:
    total: int
    progress: Progress
    start: float = field(default_factory=time.monotonic)
    next: float = 0.0

    def tell(self, tally: Tally, last: bool = False) -> None:
        now = time.monotonic()
        if now < self.next and not last:
            return
        self.next = now + 0.2
        rate = tally.asked / max(now - self.start, 1e-9)
        cost = "cost unknown" if tally.spent is None else f"cost {tally.spent:.4f}"
        self.progress(Tick(tally.asked + tally.from_ledger, self.total, "requests", f"{rate:.1f}/s, {cost}"))
