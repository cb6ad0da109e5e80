"""What `ponens results` writes of a run of any kind is read again with the same figures."""

from pathlib import Path
from typing import Any

import pytest

from storage.home import Home
from storage.runs import Run
from tasks.evaluate.export_logs import write
from tasks.verdict.comparison import Compared
from tasks.verdict.run import VerdictSpec, compare
from tests.evaluations import ASKED, ran, scored

KEYS = [q.answer for q in ASKED]
BASE: list[Any] = [*["right"] * 10, *["wrong"] * 20, *["invalid"] * 8, "undecided", "wrong"]
TUNED: list[Any] = [*["right"] * 7, *["wrong"] * 3, *["right"] * 18, *["invalid"] * 10, "wrong", "right"]
SIDES = {
    "lm-eval": ("base", "logic-1"),
    "inspect": ("base.json", "logic-1.json"),
    "evalscope": ("base", "logic-1"),
    "rows": ("base.jsonl", "logic-1.jsonl"),
}


def made(home: Home, kind: str, votes: int) -> Run:
    if kind == "choice":
        return ran(home, "one", [None, None, *KEYS[2:20], *("A" for _ in KEYS[20:])])
    return scored(home, "one", kind, {"base": BASE, "logic/1": TUNED}, votes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "votes"),
    [("choice", 3), ("sql", 1), ("sql", 3), ("proof", 1), ("proof", 3), ("chat", 1), ("instruction", 1)],
)
def test_a_run_of_any_kind_comes_back_with_its_figures_in_every_form(kind: str, votes: int, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    run = made(home, kind, votes)
    [direct] = compare(VerdictSpec(["one:base", "one:logic/1"]), home).tasks
    for form, sides in SIDES.items():
        write(run, form, tmp_path / form)
        [found] = compare(VerdictSpec([str(tmp_path / form / side) for side in sides]), home).tasks
        assert_same_figures(run.outcome["evaluation"], direct, found)


def assert_same_figures(evaluation: dict[str, Any], direct: Compared, found: Compared) -> None:
    for name in ("ci95", "test", "p", "fixed", "broken", "problems", "verdict", "reason"):
        known = evaluation["paired"][name] if name in evaluation["paired"] else direct.judged.paired()[name]
        assert known == found.judged.paired()[name] == direct.judged.paired()[name], name
    for side, judged in (("base", found.judged.base), ("adapter", found.judged.adapter)):
        assert evaluation[side]["accuracy"] == judged.accuracy
        assert evaluation[side]["unreadable"] == pytest.approx(judged.unreadable)
