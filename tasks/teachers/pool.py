"""A pool of threads that keeps memory flat, stops when told, and never waits for ever.

    for item, outcome in each(items, work, workers=32, stop=stop, patience=600): ...

Not concurrent.futures: its threads hold the process open at exit until the last socket lets go, and
it takes all items in at once.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

GRACE = 10.0
T = TypeVar("T")
R = TypeVar("R")


@dataclass(eq=False)
class _Worker(Generic[T]):
    thread: threading.Thread | None = None
    item: T | None = None
    since: float | None = None
    abandoned: bool = False


@dataclass
class _Pool(Generic[T, R]):
    work: Callable[[T], R]
    stop: threading.Event
    todo: queue.SimpleQueue[T | None] = field(default_factory=queue.SimpleQueue)
    done: queue.SimpleQueue[tuple[T, R | Exception]] = field(default_factory=queue.SimpleQueue)
    workers: list[_Worker[T]] = field(default_factory=list)
    handing: threading.Lock = field(default_factory=threading.Lock)

    def hire(self) -> None:
        worker: _Worker[T] = _Worker()
        worker.thread = threading.Thread(target=self._run, args=(worker,), name="teacher", daemon=True)
        self.workers.append(worker)
        worker.thread.start()

    def _run(self, me: _Worker[T]) -> None:
        while (item := self.todo.get()) is not None:
            if self.stop.is_set():
                return
            me.item, me.since = item, time.monotonic()
            try:
                outcome: R | Exception = self.work(item)
            except Exception as error:  # the caller decides what an error is worth
                outcome = error
            with self.handing:
                me.since = None
                if me.abandoned:
                    return
                self.done.put((item, outcome))

    def overdue(self, patience: float) -> list[T]:
        """Items whose worker has had them for longer than `patience`; each worker gets a successor."""
        late = time.monotonic() - patience
        with self.handing:
            stuck = [w for w in self.workers if w.since is not None and w.since < late]
            for worker in stuck:
                worker.abandoned = True
                self.workers.remove(worker)
        for _ in stuck:
            self.hire()
        return [w.item for w in stuck if w.item is not None]


def each(
    items: Iterable[T],
    work: Callable[[T], R],
    *,
    workers: int,
    stop: threading.Event,
    patience: float,
    grace: float = GRACE,
) -> Generator[tuple[T, R | Exception], None, None]:
    """Every item with what `work` made of it, as they are finished; an exception is a value.

    At most twice `workers` items are out at once. An item in hand for longer than `patience` comes
    back as TimeoutError and its thread is left behind. When `stop` is set no further item is begun.
    On the way out, by whatever door, what is in hand has `grace` seconds to finish.
    """
    pool: _Pool[T, R] = _Pool(work, stop)
    source = iter(items)
    out = 0
    look = time.monotonic() + 1.0
    try:
        while not stop.is_set():
            while out < 2 * workers and not stop.is_set():
                try:
                    item = next(source)
                except StopIteration:
                    break
                pool.todo.put(item)
                out += 1
                if len(pool.workers) < min(workers, out):
                    pool.hire()
            if out == 0:
                break
            try:
                result = pool.done.get(timeout=0.2)
                out -= 1
                yield result
            except queue.Empty:
                pass
            if time.monotonic() > look:
                look = time.monotonic() + min(1.0, patience / 4)
                for late in pool.overdue(patience):
                    out -= 1
                    yield late, TimeoutError(f"no end after {patience:g} s")
    finally:
        if out:
            stop.set()  # sleepers between two attempts wake up and leave
        _dismiss(pool, grace)
    while not pool.done.empty():
        yield pool.done.get()


def in_turn(
    items: Iterable[T], work: Callable[[T], R], stop: threading.Event
) -> Generator[tuple[T, R | Exception], None, None]:
    """`each` without threads, for work that only computes: threads would take turns all the same."""
    for item in items:
        if stop.is_set():
            return
        try:
            yield item, work(item)
        except Exception as error:
            yield item, error


def _dismiss(pool: _Pool[T, R], grace: float) -> None:
    for _ in pool.workers:
        pool.todo.put(None)
    until = time.monotonic() + grace
    for worker in pool.workers:
        if worker.thread is not None:
            worker.thread.join(max(0.0, until - time.monotonic()))
