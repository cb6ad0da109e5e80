"""A pool of threads that keeps memory flat, stops when told, and never waits for ever.

    for item, outcome in each(items, work, workers=32, stop=stop, patience=600): ...

Work that must be tried again returns `Later`, and its item sleeps in the pool: no thread and no
place among the calls at once is held by waiting, so those who wait starve nobody.

Not concurrent.futures: its threads hold the process open at exit until the last socket lets go, and
it takes all items in at once.
"""

from __future__ import annotations

import heapq
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

GRACE = 10.0
_ASLEEP = 8  # items asleep for each worker, before no further one is taken in
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Later:
    """An item that is not done, to be worked on again after so many seconds."""

    seconds: float


@dataclass(eq=False)
class _Worker(Generic[T]):
    thread: threading.Thread | None = None
    item: T | None = None
    since: float | None = None
    abandoned: bool = False


@dataclass
class _Pool(Generic[T, R]):
    work: Callable[[T], R | Later]
    admit: Callable[[T, int], float]
    stop: threading.Event
    fresh: deque[T] = field(default_factory=deque)
    due: deque[T] = field(default_factory=deque)
    asleep: list[tuple[float, int, T]] = field(default_factory=list)
    slept: int = 0
    in_hand: int = 0
    leader: _Worker[T] | None = None
    done: queue.SimpleQueue[tuple[T, R | Exception] | None] = field(default_factory=queue.SimpleQueue)
    workers: list[_Worker[T]] = field(default_factory=list)
    turn: threading.Condition = field(default_factory=threading.Condition)

    def hire(self) -> None:
        worker: _Worker[T] = _Worker()
        worker.thread = threading.Thread(target=self._run, args=(worker,), name="teacher", daemon=True)
        self.workers.append(worker)
        worker.thread.start()

    def put(self, item: T) -> None:
        with self.turn:
            self.fresh.append(item)
            self.turn.notify()

    def _run(self, me: _Worker[T]) -> None:
        while self._take(me):
            item: T = me.item  # type: ignore[assignment]
            try:
                outcome: R | Later | Exception = self.work(item)
            except Exception as error:  # a thread has no caller to raise to: whoever reads the outcome judges it
                outcome = error
            self._finish(me, item, outcome)

    def _take(self, me: _Worker[T]) -> bool:
        """Wait for an item that may be begun. False if there will be none.

        One of those who wait, the leader, watches the clock; the others sleep until they are called.
        """
        with self.turn:
            while not (self.stop.is_set() or me.abandoned):
                wait = self._wait()
                if wait <= 0:
                    me.item = self.due.popleft() if self.due else self.fresh.popleft()
                    me.since = time.monotonic()
                    self.in_hand += 1
                    self.turn.notify()  # there may be room for another
                    return True
                if wait < math.inf and self.leader is None:
                    self.leader = me
                    self.turn.wait(wait)
                    if self.leader is me:
                        self.leader = None
                else:
                    self.turn.wait()
            self.turn.notify_all()
            return False

    def _wait(self) -> float:
        """Seconds until the next item may be begun, infinity if that is for another thread to say."""
        now = time.monotonic()
        while self.asleep and self.asleep[0][0] <= now:
            self.due.append(heapq.heappop(self.asleep)[2])
        if self.due or self.fresh:
            return self.admit(self.due[0] if self.due else self.fresh[0], self.in_hand)
        return self.asleep[0][0] - now if self.asleep else math.inf

    def _finish(self, me: _Worker[T], item: T, outcome: R | Later | Exception) -> None:
        with self.turn:
            if me.abandoned:
                return
            me.since = None
            self.in_hand -= 1
            if isinstance(outcome, Later):
                self.slept += 1
                heapq.heappush(self.asleep, (time.monotonic() + outcome.seconds, self.slept, item))
                self.leader = None  # it may watch for a later hour than this one's
                self.done.put(None)
            else:
                self.done.put((item, outcome))
            self.turn.notify()

    def overdue(self, patience: float) -> list[T]:
        """Items whose worker has had them for longer than `patience`; each worker gets a successor."""
        late = time.monotonic() - patience
        with self.turn:
            stuck = [w for w in self.workers if w.since is not None and w.since < late]
            for worker in stuck:
                worker.abandoned = True
                self.workers.remove(worker)
            self.in_hand -= len(stuck)
        for _ in stuck:
            self.hire()
        return [w.item for w in stuck if w.item is not None]

    def dismiss(self, grace: float) -> None:
        """Let nobody begin anything more; wait for what is in hand, but not for ever."""
        self.stop.set()
        with self.turn:
            self.turn.notify_all()
        until = time.monotonic() + grace
        for worker in self.workers:
            if worker.thread is not None:
                worker.thread.join(max(0.0, until - time.monotonic()))


def each(
    items: Iterable[T],
    work: Callable[[T], R | Later],
    *,
    workers: int,
    stop: threading.Event,
    patience: float,
    admit: Callable[[T, int], float] = lambda item, in_hand: 0.0,
    grace: float = GRACE,
) -> Generator[tuple[T, R | Exception], None, None]:
    """Every item with what `work` made of it, as they are finished; an exception is a value.

    Beside those asleep, at most twice `workers` items are out at once. `admit` is asked before an
    item is begun, with the number in hand: 0 begins it, anything else is seconds until asked again
    (infinity: once another is finished). An item in hand for longer than `patience` comes back as
    TimeoutError and its thread is left behind. When `stop` is set no further item is begun, and those
    asleep are dropped; `stop` is set in any case once this ends. On the way out, by whatever door,
    what is in hand has `grace` seconds to finish.
    """
    pool: _Pool[T, R] = _Pool(work, admit, stop)
    source = iter(items)
    out = 0
    look = time.monotonic() + 1.0
    try:
        while not stop.is_set():
            while out - len(pool.asleep) < 2 * workers and len(pool.asleep) < _ASLEEP * workers and not stop.is_set():
                try:
                    item = next(source)
                except StopIteration:
                    break
                pool.put(item)
                out += 1
                if len(pool.workers) < min(workers, out):
                    pool.hire()
            if out == 0:
                break
            try:
                result = pool.done.get(timeout=0.2)
            except queue.Empty:
                result = None
            if result is not None:
                out -= 1
                yield result
            if time.monotonic() > look:
                look = time.monotonic() + min(1.0, patience / 4)
                for late in pool.overdue(patience):
                    out -= 1
                    yield late, TimeoutError(f"no end after {patience:g} s")
    finally:
        pool.dismiss(grace)
    while not pool.done.empty():
        if (result := pool.done.get()) is not None:
            yield result


def in_turn(
    items: Iterable[T], work: Callable[[T], R | Later], stop: threading.Event
) -> Generator[tuple[T, R | Exception], None, None]:
    """`each` without threads, for work that only computes: threads would take turns all the same."""
    for item in items:
        try:
            while isinstance(outcome := work(item), Later) and not stop.wait(outcome.seconds):
                pass
        except Exception as error:  # as in `each`
            yield item, error
            continue
        if stop.is_set() and isinstance(outcome, Later):
            return
        yield item, outcome  # type: ignore[misc]  # not Later, unless stopped
        if stop.is_set():
            return
