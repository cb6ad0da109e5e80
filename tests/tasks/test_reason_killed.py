"""SIGKILL in the middle of reason and the same command again; two commands at once."""

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from storage.home import Home
from storage.ledger import Ledger
from tasks.reason import ReasonSpec, requests
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
    spec = ReasonSpec(teacher="openai", model="m")
    with Ledger(Home(home)) as ledger:
        plan = [item for _, item in requests(spec, questions(COUNT))]
        return {item.messages[0].content for item in plan if ledger.settled(item.key, spec.max_tokens)}


def test_two_runs_at_once_share_every_answer(tmp_path: Path) -> None:
    with TeacherServer(gold=gold_of(questions(30)), delay=0.05) as server:
        # another limit is another step, so that no lock on the step keeps the two apart
        runs = [apart(tmp_path, 30, {"base_url": server.openai_url, "max_tokens": limit}) for limit in (100, 200)]
        for run in runs:
            run.join()

    assert [run.exitcode for run in runs] == [0, 0]
    assert set(server.asked.values()) == {1}
    assert len(server.asked) == 30
