"""One request to a teacher, from claim to outcome: retried where that helps, recorded before it counts.

One retry layer for all providers. What is true of every request (a wrong key, an empty account, a model
that is not there) is raised as PonensError; what concerns one request alone is a row with its outcome.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from storage.ledger import Entry, Ledger, Tokens
from storage.records import PonensError, seed_of
from storage.remote import public
from tasks.clients.deadline import within
from tasks.clients.faults import Fault, fault
from tasks.clients.proxies import proxy_for
from tasks.clients.rate_limit import Pace, backoff
from tasks.clients.reply import Reply, extract
from tasks.clients.thread_pool import Later
from tasks.clients.usage import guess, guess_of, settle
from tasks.teachers.build import Teacher, address_of, model_name
from tasks.teachers.spec import AskSpec, Request

if TYPE_CHECKING:  # more than a second to import, which a plan need not pay
    from langchain_core.messages import AIMessage, BaseMessage

log = logging.getLogger("ponens")
_ELSEWHERE_S = 0.2  # until we look again whether another process has its answer
_GUESSED_REPLY = 400.0  # tokens, until replies have shown better


@dataclass(eq=False)
class Call:
    """A request on its way. `spent` counts its calls and the waits between them, not its turn in a queue."""

    request: Request
    entries: list[Entry] = field(default_factory=list)
    attempts: int = 0
    told: int = 0  # attempts that a row of the ledger stands for
    spent: float = 0.0
    claimed: bool = False
    reserved: float = 0.0


class Asker:
    """Makes one attempt at a request at a time, from many threads at once."""

    def __init__(self, spec: AskSpec, model: Teacher, ledger: Ledger, stop: threading.Event, pace: Pace) -> None:
        self.spec, self.model, self.ledger, self.stop, self.pace = spec, model, ledger, stop, pace
        self._name, self._address = model_name(spec), address_of(spec)
        self._met = False  # a server answered, whatever it said
        self._waiting: dict[str, tuple[Call, Fault]] = {}
        self._heard: set[str] = set()
        self._reply_tokens = min(_GUESSED_REPLY, spec.max_tokens or _GUESSED_REPLY)

    def admit(self, call: Call, in_hand: int) -> float:
        """Seconds until an attempt may be made, 0 if now; it is then counted against the limits."""
        if self.pace.tokens:
            call.reserved = guess_of(call.request.messages) + self._reply_tokens
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

    def leave(self) -> None:
        """Record the calls of requests that will not be tried again, because the stage ends before their turn."""
        for call, why in list(self._waiting.values()):
            self._record(call, Reply(""), why)
            self.ledger.release(call.request.key)
        self._waiting.clear()

    def _settled(self, key: str) -> bool:
        self.ledger.refresh()
        return self.ledger.settled(key, self.spec.max_tokens, again=self.spec.again)

    def _attempt(self, call: Call) -> Later | None:
        """Ask once and record what came of it, unless that is to be tried again."""
        call.attempts += 1
        self._waiting.pop(call.request.key, None)
        start = time.monotonic()
        try:
            with within(min(self.spec.timeout, self.spec.deadline - call.spent)):
                reply = extract(self._invoke(call.request))
        except Exception as error:  # a client may raise anything; `fault` raises again what is no fault of a call
            why = fault(error)
            seconds = time.monotonic() - start
            self.pace.finished(answered=False, turned_away=why.load)
            self._met = self._met or not (why.unreachable or why.error in ("timeout", "connection"))
            if why.stop or (why.unreachable and not self._met):
                self.stop.set()  # here, not where the error is read: no worker may begin another meanwhile
                self._record(call, Reply(""), why, seconds)
                raise self._stopped(why) from None
        else:
            seconds = time.monotonic() - start
            self._met = True
            self.pace.finished(answered=True)
            flaw = _flaw(reply)
            self._record(call, reply, flaw, seconds)
            if flaw is None:
                return None
            why = flaw
        call.spent += seconds
        wait = self._wait(call, why)
        self._tell(why)
        if why.retry and call.attempts < self.spec.max_attempts and call.spent + wait < self.spec.deadline:
            call.spent += wait
            self._waiting[call.request.key] = call, why
            return Later(wait)
        if call.told < call.attempts:
            self._record(call, Reply(""), why)
        return None

    def _tell(self, why: Fault) -> None:
        """The first fault of each name is told at once, for a stage may try again for minutes."""
        if why.error not in self._heard:
            self._heard.add(why.error)
            log.warning("the teacher: %s: %s%s", why.error, why.detail[:200], "; tried again" if why.retry else "")

    def _invoke(self, request: Request) -> AIMessage:
        """Seeded by the sample where the recipe sets a seed, or where the model runs here and nothing is sent."""
        if self.spec.seed is None and not self.spec.provider.seeded:
            return self.model.invoke(_messages(request))
        return self.model.invoke(_messages(request), seed=seed_of(self.spec.seed or 0, request.digest, request.sample))

    def _tokens(self, call: Call, reply: Reply) -> tuple[Tokens, bool]:
        """What a reply was billed for, and whether that is an estimate; the pace hears of it."""
        if self.spec.provider.free or not (reply.text or reply.reasoning or reply.refusal or reply.finish):
            return Tokens(), False  # nobody is paid, or nothing came
        out = guess(reply.text + reply.reasoning + reply.refusal)
        tokens, estimated = settle(reply.usage, guess_of(call.request.messages), out)
        if self.pace.tokens:
            self.pace.correct(call.reserved, tokens.sent + tokens.out)
            self._reply_tokens += (tokens.out - self._reply_tokens) / 16
        return tokens, estimated

    def _record(self, call: Call, reply: Reply, why: Fault | None = None, seconds: float = 0.0) -> None:
        price = self.spec.price
        tokens, estimated = self._tokens(call, reply)
        came = bool(reply.text or reply.finish)
        entry = Entry(
            key=call.request.key,
            outcome=reply.outcome if why is None or came else "refused" if why.refused else "failed",
            teacher=self.spec.teacher,
            model=self._name,
            messages=call.request.digest,
            sample=call.request.sample,
            sampling=self.spec.sampling,
            max_tokens=self.spec.max_tokens,
            time=datetime.now(UTC).isoformat(timespec="milliseconds"),
            text=(reply.text or reply.refusal).encode("utf-8", "replace").decode(),
            reasoning=reply.reasoning,
            finish=reply.finish,
            tokens=tokens,
            estimated=estimated,
            price=price.model_dump(by_alias=True, exclude_none=True) if price else None,
            cost=price.of(tokens) if price and not estimated else None,
            seconds=round(seconds, 3),
            attempts=call.attempts - call.told,
            error=why.error if why else "",
            detail=why.detail[:500] if why else "",
        )
        self.ledger.record(entry)
        call.told = call.attempts
        call.entries.append(entry)

    def _stopped(self, why: Fault) -> PonensError:
        at = public(self._address) if self._address else f"the {self.spec.teacher} teacher"
        if why.unreachable:
            through = proxy_for(self._address or "")
            by = f", through the proxy {public(through)}" if through else ""
            return PonensError(
                f"no teacher is to be reached at {at}{by}",
                seen=why.detail[:500],
                expected="a server that answers there",
                hint="see that the address is right and its server runs ([reason] base_url), and run again",
            )
        return PonensError(
            f"the teacher turned the request away, and would turn away all others ({why.error})",
            seen=why.detail[:500],
            expected=f"a key and a model ({self.spec.model}) that are valid at {at}",
            hint=f"{why.hint or 'set them right'} and run again: answers received so far are kept",
        )

    def _wait(self, call: Call, why: Fault) -> float:
        spec = self.spec
        return backoff(call.attempts, self.pace.in_vain, spec.first_wait, spec.longest_wait, why.retry_after)


def _messages(request: Request) -> list[BaseMessage]:
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    kinds = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
    return [kinds[message.role](message.content) for message in request.messages]


def _flaw(reply: Reply) -> Fault | None:
    """Why a reply that came is to be asked for again."""
    if reply.outcome == "empty":
        return Fault("empty", "a reply without text", retry=True)
    return fault(reply.flaw) if reply.outcome == "failed" and reply.flaw else None
