"""The pool by itself: who works, who sleeps, who is left behind."""

import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tasks.clients.thread_pool import Later, each, in_turn


def test_the_pool_takes_in_no_more_than_it_has_hands_for() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for n in range(1000):
            taken += 1
            yield n

    pool = each(items(), lambda n: n, workers=4, stop=threading.Event(), patience=10)
    next(pool)

    assert taken <= 9
    pool.close()


def test_the_pool_gives_up_on_what_never_ends_and_does_the_rest() -> None:
    for_ever = threading.Event()

    def work(n: int) -> int:
        if n == 3:
            for_ever.wait(20)
        return n

    done = dict(each(range(40), work, workers=2, stop=threading.Event(), patience=0.4, grace=0.2))

    assert isinstance(done.pop(3), TimeoutError)
    assert done == {n: n for n in range(40) if n != 3}
    for_ever.set()


def test_items_asleep_hold_no_worker() -> None:
    """Two workers; the first ten items sleep for an hour, the others are done all the same."""
    stop = threading.Event()
    pool = each(range(100), lambda n: Later(3600) if n < 10 else n, workers=2, stop=stop, patience=10)
    done = {item for item, _ in (next(pool) for _ in range(90))}

    assert done == set(range(10, 100))
    pool.close()


def test_no_more_items_fall_asleep_than_memory_is_meant_for() -> None:
    taken, stop = Counter[str](), threading.Event()

    def items() -> Iterator[int]:
        for n in range(10_000):
            taken["items"] += 1
            yield n

    def work(n: int) -> Later:
        if taken["calls"] > 200:
            stop.set()
        taken["calls"] += 1
        return Later(0.001 if n < 5 else 3600)

    assert list(each(items(), work, workers=4, stop=stop, patience=10)) == []
    assert taken["items"] <= 8 * 4 + 2 * 4


def test_an_item_that_slept_is_worked_on_again_by_its_hour_not_by_its_turn() -> None:
    seen = Counter[float]()

    def work(seconds: float) -> float | Later:
        seen[seconds] += 1
        return Later(seconds) if seen[seconds] == 1 else seconds

    hours = [0.6, 0.4, 0.02, 0.2]
    done = [item for item, _ in each(hours, work, workers=4, stop=threading.Event(), patience=10)]

    assert done == sorted(hours)
    assert set(seen.values()) == {2}


def test_no_more_are_at_work_than_are_admitted_and_the_waiting_are_called_when_there_is_room() -> None:
    lock, now, most, room = threading.Lock(), 0, 0, 1

    def work(n: int) -> int:
        nonlocal now, most, room
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.005)
        with lock:
            now -= 1
            room = 1 if n < 30 else 3
        return n

    def admit(item: int, in_hand: int) -> float:
        return 0.0 if in_hand < room else float("inf")

    first = list(each(range(30), work, workers=8, stop=threading.Event(), patience=10, admit=admit))
    narrow, room = most, 3
    both = list(each(range(30, 90), work, workers=8, stop=threading.Event(), patience=10, admit=admit))

    assert narrow == 1
    assert 2 <= most <= 3
    assert (len(first), len(both)) == (30, 60)


def test_waiting_for_a_limit_ends_by_itself() -> None:
    """Nobody finishes who could call the next: one of those waiting has to watch the clock."""
    start = time.monotonic()
    begun: list[float] = []

    def admit(item: int, in_hand: int) -> float:
        wait = len(begun) * 0.05 - (time.monotonic() - start)
        if wait <= 0:
            begun.append(time.monotonic() - start)
        return max(0.0, wait)

    done = list(each(range(10), lambda n: n, workers=4, stop=threading.Event(), patience=10, admit=admit))

    assert len(done) == 10
    assert all(t >= n * 0.05 for n, t in enumerate(begun))


def test_a_stop_wakes_all_who_wait() -> None:
    stop = threading.Event()

    def work(n: int) -> int:
        stop.set()
        return n

    before = threading.active_count()
    done = list(
        each(range(100), work, workers=16, stop=stop, patience=60, admit=lambda n, hand: 3600.0 if hand else 0.0)
    )

    assert len(done) == 1
    assert threading.active_count() == before


@pytest.mark.parametrize("threads", [True, False])
def test_an_exception_is_a_value(threads: bool) -> None:
    stop = threading.Event()
    source = [1, 0, 2]
    pool = (
        each(source, lambda n: 2 // n, workers=1, stop=stop, patience=9)
        if threads
        else in_turn(source, lambda n: 2 // n, stop)
    )
    found = dict(pool)

    assert isinstance(found.pop(0), ZeroDivisionError)
    assert found == {1: 2, 2: 1}


def test_without_threads_later_is_waited_for() -> None:
    seen = Counter[int]()

    def work(n: int) -> int | Later:
        seen[n] += 1
        return n if seen[n] == 3 else Later(0.001)

    assert list(in_turn([1, 2], work, threading.Event())) == [(1, 1), (2, 2)]
