"""The order of events as a loop."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.chain import Events, Walk, chain
from flows.recipe import load
from storage.records import Receipt
from tasks.puzzles import step as puzzles
from tasks.runtime.step import Step

ROOT = Path(__file__).resolve().parents[2]


def receipt(step: Step) -> Receipt:
    return Receipt(step.name, "k", "d", f"artifacts/{step.name}", {}, {}, 0.0, "")


def demo(tmp_path: Path) -> Walk[None]:
    return Walk(chain(load(ROOT / "recipes" / "demo.toml"), tmp_path))


def test_each_step_is_taken_once_what_came_of_those_before_it_is_sent(tmp_path: Path) -> None:
    walk, seen = demo(tmp_path), dict[str, Step]()
    for step in walk:
        seen[step.name] = step
        walk.done(receipt(step))

    assert ["puzzles", "parse", "reason", "assemble", "train", "evaluate", "report"] == list(seen)
    assert "d" == seen["train"].inputs["snapshot"]


def test_a_loop_may_leave_at_any_step_and_nothing_further_is_looked_at(tmp_path: Path) -> None:
    walk = demo(tmp_path)
    for step in walk:
        if step.name == "parse":
            break
        walk.done(receipt(step))

    assert "parse" == step.name
    assert not hasattr(walk, "result")


def test_what_a_chain_returns_is_there_when_the_loop_has_ended() -> None:
    def events() -> Events[list[str]]:
        first = yield puzzles.step(puzzles.PuzzlesSpec())
        return [first.artifact]

    walk = Walk(events())
    for step in walk:
        assert receipt(step) == walk.done(receipt(step))

    assert ["artifacts/puzzles"] == walk.result


def test_an_error_of_the_loop_is_the_loops_own(tmp_path: Path) -> None:
    def steps() -> Iterator[str]:
        for step in demo(tmp_path):
            raise OSError(step.name)
        yield ""

    with pytest.raises(OSError, match="puzzles"):
        list(steps())
