"""One request to a teacher, from claim to outcome: retried where that helps, recorded before it counts.

One retry layer for all providers: exponential backoff with full jitter, a server's Retry-After
obeyed. What is true of every request (a wrong key, an empty account, a model that is not there) is
raised as PonensError; what concerns one request alone is a row with its outcome.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import tenacity

from storage.ledger import Entry, Ledger
from storage.records import PonensError
from tasks.teachers.build import model_name
from tasks.teachers.reply import Fault, Reply, extract, fault
from tasks.teachers.terms import AskSpec, Request

if TYPE_CHECKING:  # more than a second to import, which a plan need not pay
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage


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
            wait=self._wait,
            retry=tenacity.retry_if_exception_type(_TryAgain),
            sleep=tenacity.sleep_using_event(stop),
            reraise=True,
        )

    def __call__(self, request: Request) -> list[Entry]:
        """The rows this request added to the ledger; the last is its outcome.

        Empty if another process has the answer already. PonensError if no request at all can succeed.
        """
        while not self.ledger.claim(request.key):  # another process is asking the same: its answer will do
            if self.stop.wait(0.2) or self._settled(request):
                return []
        try:
            return [] if self._settled(request) else self._ask(request)
        finally:
            self.ledger.release(request.key)

    def lost(self, request: Request, why: Exception) -> Entry:
        """Record a request whose worker was left behind. Should its reply still come, that is recorded too."""
        call = _Call(request, attempts=1)
        self._record(call, Reply(""), Fault("deadline", str(why)))
        return call.entries[-1]

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
            message = self.model.invoke(_messages(call.request))
            reply = extract(message)
        except Exception as error:
            why = fault(error)
            if why.stop:
                self.stop.set()  # here, not where the error is read: no worker may begin another meanwhile
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

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        ceiling = min(self.spec.longest_wait, self.spec.first_wait * 2 ** (state.attempt_number - 1))
        jitter = random.uniform(0, ceiling)
        if isinstance(error, _TryAgain) and error.why.retry_after is not None:
            return error.why.retry_after + min(jitter, 1.0)  # all workers were told the same moment
        return jitter


def _messages(request: Request) -> list[BaseMessage]:
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    kinds = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
    return [kinds[message.role](message.content) for message in request.messages]
