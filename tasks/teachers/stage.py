"""Ask a teacher many things and keep every answer: the stage around the pool.

    with Asking(spec, ledger, progress) as ask:
        ask(requests, total)
    ask.tally

A failure that concerns all requests stops the stage at once, a long row of silence soon; a limit on
cost or requests stops it in good order. Whatever was answered by then is in the ledger.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Self

from storage.ledger import Entry, Ledger
from storage.records import PonensError, UsageError
from tasks.clients.rate_limit import Pace
from tasks.clients.thread_pool import GRACE, each, in_turn
from tasks.runtime.step import Progress, Secret, Tick
from tasks.teachers.attempt import Asker, Call
from tasks.teachers.build import Teacher, teacher
from tasks.teachers.spec import AskSpec, Request, Tally

log = logging.getLogger("ponens")
Outcomes = Generator[tuple[Call, list[Entry] | Exception], None, None]


class Asking:
    """Asks a teacher in one or more goes, which share its tally, its limits and its pace.

    The teacher is opened by the first request that the ledger does not settle: without one, no key is
    needed and no model loaded. `guess` is the likely cost of a request, for `max_cost` before any is
    known; `secret` gives the teacher's key by the name of its environment variable. A `tally` that
    is given is gone on with.
    """

    def __init__(
        self,
        spec: AskSpec,
        ledger: Ledger,
        progress: Progress = lambda tick: None,
        guess: Callable[[Request], float] = lambda request: 0.0,
        secret: Secret = os.environ.get,
        tally: Tally | None = None,
    ) -> None:
        if spec.max_cost is not None and spec.price is None:
            raise UsageError(
                "max_cost needs the model's price",
                seen=f"no price for {spec.model!r}",
                expected=f'[reason.prices."{spec.model}"] with `in` and `out` for a million tokens each, or price_file',
                hint="add the price or leave max_cost away",
            )
        self.spec, self.ledger, self.progress, self.guess, self.secret = spec, ledger, progress, guess, secret
        self.tally = tally or Tally()
        self.pace = Pace(spec.workers, spec.requests_per_minute, spec.tokens_per_minute)
        self._teacher: Teacher | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._teacher is not None:
            self._teacher.close()

    def __call__(self, requests: Iterable[Request], total: int) -> None:
        """Ask for all that the ledger does not settle; `total` counts the requests of all goes so far.

        PonensError if the stage cannot go on. KeyboardInterrupt passes through once what was in hand
        has had its grace. Whatever was answered by then is kept.
        """
        spec, shown = self.spec, _Progress(total, self.progress, self.pace)
        todo = _open(spec, requests, self.ledger, self.tally, self.guess)
        if (first := next(todo, None)) is not None:
            if self._teacher is None:
                self._teacher = teacher(spec, self.secret)
            stop = threading.Event()
            asker = Asker(spec, self._teacher, self.ledger, stop, self.pace)
            calls = map(Call, chain([first], todo))
            if spec.provider.free:
                pool: Outcomes = in_turn(calls, asker, stop)
            else:
                # Clients end each call in time by their own clock, but they have none while a name is looked
                # up or a TLS handshake drips. Whoever is stuck there longer than a request may take is left behind.
                patience = spec.deadline + GRACE
                pool = each(calls, asker, workers=spec.workers, stop=stop, patience=patience, admit=asker.admit)
            try:
                _collect(pool, asker, self.tally, shown)
            finally:
                asker.leave()
        shown.tell(self.tally, last=True)


def _collect(pool: Outcomes, asker: Asker, tally: Tally, shown: _Progress) -> None:
    """Count what comes out of the pool; stop it where going on is of no use. Raises what `Asking` raises."""
    failure: Exception | None = None
    silent = 0
    try:
        for call, outcome in pool:
            tally.in_hand -= 1
            if isinstance(outcome, TimeoutError):
                log.warning("request %s had no end: %s", call.request.key[:12], outcome)
                tally.add(asker.lost(call, outcome))
            elif isinstance(outcome, Exception):
                failure = failure or outcome
                asker.stop.set()
            elif not outcome:
                tally.from_ledger += 1
            else:
                for entry in outcome[:-1]:
                    tally.pay(entry)
                tally.add(outcome[-1])
                silent = silent + 1 if outcome[-1].outcome in ("failed", "empty") else 0
                if silent >= max(16, asker.spec.workers) and failure is None:
                    failure = _silence(silent, tally)
                    asker.stop.set()
            shown.tell(tally)
    except KeyboardInterrupt:
        log.warning("stopped by hand; %d replies of this run are in the ledger", tally.asked)
        pool.close()
        raise
    if failure:
        raise failure


def _open(
    spec: AskSpec, requests: Iterable[Request], ledger: Ledger, tally: Tally, guess: Callable[[Request], float]
) -> Iterator[Request]:
    """The requests still to ask, while the limits allow; counts those that are not."""
    for item in requests:
        if ledger.settled(item.key, spec.max_tokens, again=spec.again):
            tally.from_ledger += 1
            continue
        if spec.max_requests is not None and tally.asked + tally.in_hand >= spec.max_requests:
            tally.limit = "max_requests"
        elif spec.max_cost is not None:
            each_costs = tally.likely / tally.asked if tally.asked else guess(item)
            if tally.likely + each_costs * (tally.in_hand + 1) > spec.max_cost:
                tally.limit = "max_cost"
        if tally.limit:
            tally.left += 1
            continue
        tally.in_hand += 1
        yield item


def _silence(count: int, tally: Tally) -> PonensError:
    cause, remedy = tally.worst()
    return PonensError(
        f"{count} requests in a row brought no answer",
        seen=cause,
        expected="a teacher that answers",
        hint=f"{remedy}, and run again: answers received so far are kept",
    )


@dataclass
class _Progress:
    total: int
    progress: Progress
    pace: Pace
    start: float = field(default_factory=time.monotonic)
    next: float = 0.0

    def tell(self, tally: Tally, last: bool = False) -> None:
        now = time.monotonic()
        if now < self.next and not last:
            return
        self.next = now + 0.2
        rate = tally.asked / max(now - self.start, 1e-9)
        cost = f"cost {tally.cost()}"
        width = int(self.pace.width)
        narrow = f", {width} of {self.pace.workers} at once" if width < self.pace.workers else ""
        self.progress(Tick(tally.asked + tally.from_ledger, self.total, "requests", f"{rate:.1f}/s, {cost}{narrow}"))
