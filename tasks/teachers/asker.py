"""One request to a teacher, from claim to outcome: retried where that helps, recorded before it counts.

One retry layer for all providers. What is true of every request (a wrong key, an empty account, a model
that is not there) is raised as PonensError; what concerns one request alone is a row with its outcome.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from storage.ledger import Entry, Ledger
from storage.records import PonensError, seed_of
from tasks.teachers.build import Teacher, model_name
from tasks.teachers.deadline import within
from tasks.teachers.pace import Pace, backoff
from tasks.teachers.pool import Later
from tasks.teachers.reply import Fault, Reply, extract, fault
from tasks.teachers.terms import AskSpec, Request

if TYPE_CHECKING:  # more than a second to import, which a plan need not pay
    from langchain_core.messages import AIMessage, BaseMessage

_ELSEWHERE_S = 0.2  # until we look again whether another process has its answer
_GUESSED_REPLY = 400.0  # tokens, until replies have shown better


@dataclass(eq=False)
class Call:
    """A request on its way. `spent` counts its calls and the waits between them, not its turn in a queue."""

    request: Request
    entries: list[Entry] = field(default_factory=list)
    attempts: int = 0
    spent: float = 0.0
    claimed: bool = False
    reserved: float = 0.0


class Asker:
    """Makes one attempt at a request at a time, from many threads at once."""

    def __init__(self, spec: AskSpec, model: Teacher, ledger: Ledger, stop: threading.Event, pace: Pace) -> None:
        self.spec, self.model, self.ledger, self.stop, self.pace = spec, model, ledger, stop, pace
        self._name = model_name(spec)
        self._reply_tokens = min(_GUESSED_REPLY, spec.max_tokens or _GUESSED_REPLY)

    def admit(self, call: Call, in_hand: int) -> float:
        """Seconds until an attempt may be made, 0 if now; it is then counted against the limits."""
        if self.pace.tokens:
            call.reserved = _tokens_of(call.request) + self._reply_tokens
        return self.pace.admit(in_hand, call.reserved)

    def __call__(self, call: Call) -> list[Entry] | Later:
        """The rows this request added to the ledger, the last being its outcome, or when to try again.

        No rows if another process has the answer already. PonensError if no request at all can succeed.
        """
        key = call.request.key
        if not call.claimed and not self.ledger.claim(key):
            self.pace.unused(call.reserved)  # another process is asking the same: its answer will do
            return [] if self._settled(key) else Later(_ELSEWHERE_S)
        done = True
        try:
            if not call.claimed and self._settled(key):
                self.pace.unused(call.reserved)
                return []
            call.claimed = True
            later = self._attempt(call)
            done = later is None
            return call.entries if later is None else later
        finally:
            if done:
                self.ledger.release(key)

    def lost(self, call: Call, why: Exception) -> Entry:
        """Record a request whose worker was left behind. Should its reply still come, that is recorded too."""
        self._record(call, Reply(""), Fault("deadline", str(why)))
        self.ledger.release(call.request.key)
        return call.entries[-1]

    def _settled(self, key: str) -> bool:
        self.ledger.refresh()
        return self.ledger.settled(key, self.spec.max_tokens, again=self.spec.again)

    def _attempt(self, call: Call) -> Later | None:
        """Ask once and record what came of it, unless that is to be tried again."""
        call.attempts += 1
        start = time.monotonic()
        try:
            with within(min(self.spec.timeout, self.spec.deadline - call.spent)):
                reply = extract(self._invoke(call.request))
        except Exception as error:  # a client may raise anything; `fault` raises again what is no fault of a call
            why = fault(error)
            seconds = time.monotonic() - start
            self.pace.finished(answered=False, turned_away=why.load)
            if why.stop:
                self.stop.set()  # here, not where the error is read: no worker may begin another meanwhile
                raise self._stopped(why) from None
        else:
            seconds = time.monotonic() - start
            self.pace.finished(answered=True)
            self._billed(call, reply)
            self._record(call, reply, seconds=seconds)
            if reply.outcome != "empty":
                return None
            why = Fault("empty", "a reply without text", retry=True)
        call.spent += seconds
        wait = self._wait(call, why)
        if why.retry and call.attempts < self.spec.max_attempts and call.spent + wait < self.spec.deadline:
            call.spent += wait
            return Later(wait)
        if why.error != "empty":
            self._record(call, Reply(""), why)
        return None

    def _invoke(self, request: Request) -> AIMessage:
        """Seeded by the sample where the recipe sets a seed, or where the model runs here and nothing is sent."""
        if self.spec.seed is None and self.spec.teacher != "vllm":
            return self.model.invoke(_messages(request))
        return self.model.invoke(_messages(request), seed=seed_of(self.spec.seed or 0, request.digest, request.sample))

    def _billed(self, call: Call, reply: Reply) -> None:
        if self.pace.tokens:
            self.pace.correct(call.reserved, reply.tokens.sent + reply.tokens.out)
            self._reply_tokens += (reply.tokens.out - self._reply_tokens) / 16

    def _record(self, call: Call, reply: Reply, why: Fault | None = None, seconds: float = 0.0) -> None:
        price = self.spec.price
        entry = Entry(
            key=call.request.key,
            outcome=reply.outcome if why is None else "refused" if why.refused else "failed",
            teacher=self.spec.teacher,
            model=self._name,
            messages=call.request.digest,
            sample=call.request.sample,
            sampling=self.spec.sampling,
            max_tokens=self.spec.max_tokens,
            time=datetime.now(UTC).isoformat(timespec="milliseconds"),
            text=reply.text or reply.refusal,
            reasoning=reply.reasoning,
            finish=reply.finish,
            tokens=reply.tokens,
            price=price.model_dump(by_alias=True, exclude_none=True) if price else None,
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

    def _wait(self, call: Call, why: Fault) -> float:
        spec = self.spec
        return backoff(call.attempts, self.pace.in_vain, spec.first_wait, spec.longest_wait, why.retry_after)


def _messages(request: Request) -> list[BaseMessage]:
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    kinds = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
    return [kinds[message.role](message.content) for message in request.messages]


def _tokens_of(request: Request) -> float:
    """About four bytes of UTF-8 a token, in Latin script as in Chinese: replies correct it."""
    return sum(len(message.content.encode()) for message in request.messages) / 4
