import multiprocessing
import os
import signal
from collections.abc import Iterator

import pytest

from storage.records import Message, PonensError
from tasks.engines.interface import Loading, Request
from tasks.engines.openai import OpenAIEngine
from tasks.engines.parallel import ParallelEngine, shares, spread
from tests.fakes import TeacherServer


def test_requests_with_one_prompt_go_to_one_copy_and_copies_get_as_much() -> None:
    asked = [Request(f"{prompt}{n}", "base", prompt, 8) for n in range(3) for prompt in "abcd"]

    parts = spread(asked, 2)

    assert [6, 6] == [len(part) for part in parts]
    assert not {r.prompt for r in parts[0]} & {r.prompt for r in parts[1]}
    assert sorted(r.key for r in asked) == sorted(r.key for part in parts for r in part)


def test_each_copy_has_devices_of_its_own() -> None:
    assert ["0,1", "2,3"] == shares(["0", "1", "2", "3", "4"], 2, 2)
    assert [None, None] == shares([], 2, 1)
    with pytest.raises(PonensError, match="2 copies of 2 GPUs"):
        shares(["0", "1", "2"], 2, 2)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ParallelEngine, TeacherServer]]:
    """Two copies of an engine that loads nothing: each asks the same server."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-0123456789")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with TeacherServer(delay=0.05) as server:
        told = {"base_url": server.openai_url, "models": {"base": "m"}, "workers": 1}
        engine = ParallelEngine(OpenAIEngine, Loading("m", server=told, data_parallel=2))
        yield engine, server
        engine.close()


def requests(count: int) -> list[Request]:
    return [Request(f"k{n}", "base", f"p{n}", 8, messages=(Message("user", f"p{n}"),)) for n in range(count)]


@pytest.mark.process
def test_copies_work_at_once_go_by_turn_after_turn_and_end_with_their_engine(
    two: tuple[ParallelEngine, TeacherServer],
) -> None:
    engine, server = two

    first = [c.key for c in engine.generate(requests(8))]
    second = [c.key for c in engine.generate(requests(1))]
    engine.close()

    assert sorted(r.key for r in requests(8)) == sorted(first)
    assert ["k0"] == second
    assert 2 == server.most_open == engine.facts["copies"]
    assert [] == multiprocessing.active_children()


@pytest.mark.process
def test_a_copy_that_dies_ends_the_evaluation_with_a_word(two: tuple[ParallelEngine, TeacherServer]) -> None:
    engine, _ = two
    os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)

    with pytest.raises(PonensError, match="copy of the engine died"):
        list(engine.generate(requests(8)))


@pytest.mark.process
def test_what_a_copy_cannot_do_is_said_by_the_engine(two: tuple[ParallelEngine, TeacherServer]) -> None:
    engine, server = two
    server.key = "another"

    with pytest.raises(PonensError, match="http 401"):
        list(engine.generate(requests(4)))
