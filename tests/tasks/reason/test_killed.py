"""SIGKILL in the middle of reason and the same command again; two commands at once."""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from storage.home import Home
from storage.index import SETTLES
from storage.journal import rows
from storage.ledger import Ledger
from tasks.reason.step import ReasonSpec, plan
from tests.fakes import TeacherServer, gold_of, mix
from tests.tasks.runs import apart, once, questions

pytestmark = pytest.mark.process

COUNT, WORKERS = 60, 4
MIX = {"wrong": 0.15, "unreadable": 0.15, "length": 0.1, "429": 0.15, "500": 0.15}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "any-key")


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    with TeacherServer(mix(MIX), gold=gold_of(questions(COUNT))) as server:
        apart(tmp_path / "whole", COUNT, {"base_url": server.openai_url}).join()
        expected, _ = once(tmp_path / "whole", COUNT, {"base_url": server.openai_url})
    home = tmp_path / "killed"
    with TeacherServer(mix(MIX), gold=gold_of(questions(COUNT)), delay=0.05) as server:
        settings = {"base_url": server.openai_url}
        for goal in (10, 20, 40):
            process = apart(home, COUNT, settings)
            while sum(server.completed.values()) < goal and process.is_alive():
                time.sleep(0.005)
            assert process.is_alive()
            process.kill()
            process.join()
        had, before = settled(home), Counter(server.asked)
        process = apart(home, COUNT, settings)
        process.join()
        receipt, how = once(home, COUNT, settings)

    assert (process.exitcode, how) == (0, "cached")
    assert receipt.digest == expected.digest
    assert [prompt for prompt in had if server.asked[prompt] > before[prompt]] == []
    assert COUNT <= sum(server.completed.values()) <= COUNT + 3 * WORKERS
    assert receipt.facts["from_ledger"] == len(had) >= 40 - 3 * WORKERS


def test_twenty_kills_at_random_moments_lose_nothing_and_pay_for_nothing_twice(tmp_path: Path) -> None:
    count, kills, workers = 2000, 20, 16
    faults = {**MIX, "429-after": 0.05, "reset": 0.05, "torn": 0.05, "no-choices": 0.05}
    settings = {"samples": 2, "workers": workers, "prompt": None, "longest_wait": 0.05, "keep": 1}
    with TeacherServer(mix(faults), gold=gold_of(questions(count))) as server:
        expected, _ = once(tmp_path / "whole", count, {**settings, "base_url": server.openai_url})
    home = tmp_path / "killed"
    with TeacherServer(mix(faults), gold=gold_of(questions(count)), delay=0.02) as server:
        settings["base_url"] = server.openai_url
        for moment in sorted(random.Random(0).sample(range(100, expected.facts["requests"] - 200), kills)):
            process = apart(home, count, settings)
            while sum(server.completed.values()) < moment and process.is_alive():
                time.sleep(0.002)
            assert process.is_alive()
            process.kill()
            process.join()
        process = apart(home, count, settings)
        process.join()
        receipt, how = once(home, count, settings)
        sent_whole = sum(server.completed.values())
    replies = [row for row in rows(Home(home).ledger) if row["outcome"] != "failed"]
    settling = Counter(row["key"] for row in replies if row["outcome"] in SETTLES)

    assert (process.exitcode, how) == (0, "cached")
    assert {"replies": receipt.facts["unanswered"], "digest": receipt.digest} == {
        "replies": 0,
        "digest": expected.digest,
    }
    assert set(settling.values()) == {1}  # what was received was never asked for again
    assert len(settling) == expected.facts["requests"]
    assert 0 <= sent_whole - len(replies) <= kills * workers  # replies that were on their way when a kill came


def test_ctrl_c_ends_a_run_soon_and_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with TeacherServer(gold=gold_of(questions(COUNT)), delay=0.1) as server:
        settings = {"base_url": server.openai_url}
        process = apart(home, COUNT, settings)
        while sum(server.completed.values()) < 12 and process.is_alive():
            time.sleep(0.005)
        os.kill(process.pid or 0, signal.SIGINT)
        process.join(60)
        stopped, had = sum(server.completed.values()), settled(home)
        receipt, _ = once(home, COUNT, settings)

    assert process.exitcode not in (None, 0)
    assert stopped < COUNT
    assert len(had) == stopped  # what was in hand came in, too
    assert receipt.facts["from_ledger"] == stopped
    assert set(server.asked.values()) == {1}


def settled(home: Path) -> set[str]:
    """The prompts that need not be asked again."""
    spec = ReasonSpec(teacher="openai", model="m", prompt="explain")
    with Ledger(Home(home)) as ledger:
        every = [item for question in questions(COUNT) for item in plan(spec, question)]
        return {item.messages[0].content for item in every if ledger.settled(item.key, spec.max_tokens)}


def test_two_runs_at_once_share_every_answer(tmp_path: Path) -> None:
    with TeacherServer(gold=gold_of(questions(30)), delay=0.05) as server:
        # another limit is another step, so that no lock on the step keeps the two apart
        runs = [apart(tmp_path, 30, {"base_url": server.openai_url, "max_tokens": limit}) for limit in (100, 200)]
        for run in runs:
            run.join()

    assert [run.exitcode for run in runs] == [0, 0]
    assert set(server.asked.values()) == {1}
    assert len(server.asked) == 30
