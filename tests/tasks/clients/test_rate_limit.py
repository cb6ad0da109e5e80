"""Limits a minute by a clock of their own, the width against simulated servers, and both over HTTP."""

import heapq
import math
import random
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from storage.home import Home
from storage.ledger import Ledger
from storage.records import Message, Question
from tasks.clients.faults import Fault
from tasks.clients.rate_limit import Limit, Pace
from tasks.runtime.step import Tick
from tasks.teachers.attempt import Asker, Call
from tasks.teachers.spec import AskSpec, request
from tests.fakes import TeacherServer, gold_of
from tests.tasks.asking import plant, run, spec_for
from tests.tasks.runs import questions


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def begun(pace: Pace, clock: Clock, seconds: float, tokens: float = 0.0) -> list[float]:
    """When calls begin if there is always one that wants to."""
    times = []
    while clock.now < seconds:
        if wait := pace.admit(0, tokens):
            clock.now += wait
        else:
            times.append(clock.now)
    return times


@pytest.mark.parametrize("limit", [1, 7, 60, 3000])
def test_no_minute_holds_more_requests_than_the_limit_and_few_hold_less(limit: int) -> None:
    clock = Clock()
    times = begun(Pace(8, requests_per_minute=limit, clock=clock), clock, 300)

    assert min(later - earlier for earlier, later in zip(times, times[limit:], strict=False)) >= 60
    assert len(times) >= 300 / 61.1 * limit


def test_requests_are_spaced_evenly_after_a_small_burst() -> None:
    clock = Clock()
    times = begun(Pace(8, requests_per_minute=600, clock=clock), clock, 20)
    gaps = [later - earlier for earlier, later in pairwise(times[20:])]

    assert 10 <= sum(t < 0.05 for t in times) <= 11
    assert max(gaps) - min(gaps) < 1e-6


def test_tokens_are_limited_by_what_replies_are_billed_for() -> None:
    clock = Clock()
    pace, billed = Pace(8, tokens_per_minute=6000, clock=clock), 0
    while clock.now < 600:
        if wait := pace.admit(0, 50):  # each is thought to cost 50, and costs 200
            clock.now += wait
        else:
            pace.correct(50, 200)
            billed += 200

    assert 0.95 * 6000 <= billed / 10 <= 6000 + 200


def test_a_request_above_the_whole_limit_is_asked_all_the_same() -> None:
    clock = Clock()
    pace = Pace(8, tokens_per_minute=100, clock=clock)

    assert pace.admit(0, 1000) == 0
    assert pace.admit(0, 1) == pytest.approx(1000 * 61.1 / 100 - 1)


def test_what_was_not_asked_after_all_is_given_back() -> None:
    clock = Clock()
    pace = Pace(8, requests_per_minute=1, tokens_per_minute=100, clock=clock)
    pace.admit(0, 80)
    pace.unused(80)

    assert pace.admit(0, 80) == 0


def test_units_unused_do_not_pile_up() -> None:
    clock = Clock()
    limit = Limit(60, clock)
    clock.now = 1000.0
    limit.take(2)

    assert limit.wait() > 0


def serve(workers: int, *, places: int | None = None, at_random: float = 0.0, away_s: float = 0.02) -> dict[str, float]:
    """A server whose replies take a second, and which turns away at once; what came of 150 s of asking."""
    chance = random.Random(1)
    pace = Pace(workers)
    now, number, served = 0.0, 0, 0
    ends: list[tuple[float, int, bool]] = []
    finished = away = area = 0.0
    while now < 150:
        while pace.admit(len(ends)) == 0:
            number += 1
            turned_away = (places is not None and served >= places) or chance.random() < at_random
            served += not turned_away
            took = away_s if turned_away else chance.lognormvariate(0, 0.3)
            heapq.heappush(ends, (now + took, number, turned_away))
        before = now
        now, _, turned_away = heapq.heappop(ends)
        served -= not turned_away
        if now > 50:
            finished, away, area = finished + 1, away + turned_away, area + (now - max(before, 50)) * pace.width
        pace.finished(answered=not turned_away, turned_away=turned_away)
    room = min(workers, places or workers) / math.exp(0.045)  # the mean of a lognormal reply
    return {"away": away / finished, "use": (finished - away) / 100 / room, "width": area / 100}


@pytest.mark.parametrize("away_s", [0.02, 0.5])
@pytest.mark.parametrize(("workers", "places"), [(8, 2), (8, 6), (64, 48), (512, 8), (512, 100), (512, 400)])
def test_a_server_with_so_many_places_is_used_and_few_are_turned_away(workers: int, places: int, away_s: float) -> None:
    found = serve(workers, places=places, away_s=away_s)

    assert found["away"] < 0.26
    assert found["use"] > 0.8


@pytest.mark.parametrize("workers", [8, 32, 512])
def test_a_server_that_turns_away_at_random_keeps_the_full_width(workers: int) -> None:
    assert serve(workers, at_random=0.2)["width"] > 0.9 * workers


def test_a_server_that_turns_all_away_is_asked_by_one_at_a_time_and_no_less() -> None:
    pace = Pace(512)
    for _ in range(5000):
        pace.finished(answered=False, turned_away=True)

    assert (pace.width, pace.admit(0), pace.admit(1)) == (1.0, 0.0, math.inf)


@pytest.mark.parametrize("teacher", ["openai", "dashscope"])
def test_the_width_adapts_to_a_real_server_and_progress_says_so(tmp_path: Path, teacher: str) -> None:
    asked, ticks = questions(150), list[Tick]()
    with TeacherServer(gold=gold_of(asked), delay=0.05, places=4) as server:
        facts = run(tmp_path, spec_for(server, teacher, workers=32, max_attempts=50), asked, ticks).facts

    assert (facts["kept"], facts["unanswered"]) == (150, 0)
    assert set(server.completed.values()) == {1}
    assert server.turned_away < 150
    assert any("of 32 at once" in tick.note for tick in ticks)


def test_requests_a_minute_are_kept_over_http(tmp_path: Path) -> None:
    """50 a second and a second's worth at once: no second may see more than 100, but for the network's jitter."""

    def away(home: Path, asked: list[Question], **changes: Any) -> int:
        with TeacherServer(gold=gold_of(asked), limit=(105, 1.0)) as server:
            run(home, spec_for(server, workers=32, **changes), asked)
        return server.turned_away

    assert away(tmp_path / "paced", questions(200), requests_per_minute=3000) == 0
    assert away(tmp_path / "not", questions(200)) > 0


def test_tokens_a_minute_hold_requests_back(tmp_path: Path) -> None:
    """Each is billed for some 80 tokens; at 60,000 a minute that is 12 a second, of which a burst is free."""
    asked = questions(30)
    with TeacherServer(gold=gold_of(asked)) as server:
        facts = run(tmp_path, spec_for(server, tokens_per_minute=60_000), asked).facts

    assert facts["kept"] == 30
    assert server.times[-1] - server.times[0] > 1.0


@pytest.mark.parametrize(("in_vain", "shortest", "longest"), [(0, 0.0, 0.5), (2, 0.5, 2.0), (50, 16.0, 30.0)])
def test_waits_grow_only_while_nobody_is_answered(
    tmp_path: Path, in_vain: int, shortest: float, longest: float
) -> None:
    spec = AskSpec(model="m")
    pace = Pace(8)
    for answered in (False, True, *[False] * in_vain):
        pace.finished(answered=answered)
    with Ledger(Home(tmp_path)) as ledger:
        asker = Asker(spec, None, ledger, threading.Event(), pace)  # type: ignore[arg-type]  # asks nothing
        seventh = Call(request(spec, [Message("user", "?")], 0), attempts=7)
        waits = [asker._wait(seventh, Fault("http 500", "", retry=True)) for _ in range(400)]

    assert shortest < max(waits) <= longest
