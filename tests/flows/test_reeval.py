"""Re-evaluation where evaluations are planted: what is an alarm, what it is held against, and what is kept of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from evals.report import trend
from flows.gate import promote
from flows.recipe import load
from flows.reeval import reevaluate
from storage import reevaluations, warehouse
from storage.adapters import champions
from storage.adapters import versions as adapters
from storage.home import Home
from storage.records import UsageError
from storage.reevaluations import Round
from tests.chains import follow
from tests.planted import BASE, planted, recipe

Measure = Callable[..., dict[str, list[str]]]


class Scene:
    """A home with versions of an adapter, whose champion is moved and measured."""

    def __init__(self, path: Path, *right: int) -> None:
        self.path = path
        self.home, self.recipe, self.do = planted(path, *right)
        self.rounds = 0

    def force(self, number: int) -> None:
        one = adapters.resolve(self.home, f"logic/{number}")
        champions.promote(self.home, one, champions.champion(self.home, "logic"), "force", "to see")

    def gate(self, number: int) -> None:
        one = adapters.resolve(self.home, f"logic/{number}")
        assert follow(promote(self.recipe, self.home, one, lambda name: None), self.do)["promoted"]

    def measure(self, accept: str = "") -> Round:
        self.rounds += 1
        return follow(reevaluate(self.recipe, self.home.root, f"round {self.rounds}", accept), self.do)


def alarms(round: Round) -> dict[str, list[str]]:
    return {one.set: list(one.alarm) for one in round.alarms}


def against(round: Round) -> str | None:
    return round.measures[0].against["name"] if round.measures[0].against else None


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PONENS_HOME", str(tmp_path / "home"))
    for name in ("PREFECT_API_URL", "PONENS_WEBHOOK"):
        monkeypatch.delenv(name, raising=False)
    return recipe(tmp_path)


@pytest.mark.parametrize(
    ("right", "again", "unreadable", "fallen"),
    [
        (12, None, 0, ["accuracy"]),
        (12, 30, 0, []),  # not when drawn again: chance
        (27, None, 0, []),
        (30, None, 10, ["unreadable"]),
        (8, None, 30, ["accuracy", "unreadable"]),
        (38, None, 0, []),
    ],
)
def test_a_fall_beyond_noise_that_shows_twice_is_an_alarm(
    right: int, again: int | None, unreadable: int, fallen: list[str], path: Path
) -> None:
    scene = Scene(path, 30, right)
    scene.force(1)
    assert {} == alarms(scene.measure())
    assert {} == alarms(same := scene.measure()), "the same champion says the same"
    assert 0.0 == same.measures[0].tests["accuracy"]["difference"] if same.measures[0].tests else False
    scene.force(2)
    scene.do.unreadable["logic/2"] = unreadable
    if again is not None:
        scene.do.again["logic/2"] = again

    assert ({"test": fallen} if fallen else {}) == alarms(scene.measure())


def test_the_reference_does_not_follow_a_champion_that_sinks_little_by_little(path: Path) -> None:
    rights = [30, 27, 24, 20, 17]
    scene = Scene(path, *rights)
    found = []
    for number in range(1, 1 + len(rights)):
        scene.force(number)
        found.append(bool(scene.measure().alarms))

    assert [False, False, False, True, True] == found
    assert {"round 1, logic/1"} == {against(round) for round in reevaluations.history(scene.home, "logic")[1:]}


def test_a_gate_moves_the_reference_and_so_does_a_person_but_no_alarm_does(path: Path) -> None:
    scene = Scene(path, 20, 35, 20)
    scene.gate(1)
    first = scene.measure()
    scene.gate(2)
    promoted, settled = scene.measure(), scene.measure()
    scene.force(3)
    fallen, still = scene.measure(), scene.measure()
    accepted, after = scene.measure(accept="the customer wants it"), scene.measure()

    assert "the promotion of logic/1" == against(first)
    assert ("the promotion of logic/2", "round 2, logic/2") == (against(promoted), against(settled))
    assert [{"test": ["accuracy"]}] * 2 == [alarms(fallen), alarms(still)]
    assert {"round 2, logic/2"} == {against(one) for one in (fallen, still, accepted)}
    assert ({}, {}, "round 6, logic/3") == (alarms(accepted), alarms(after), against(after))


def test_a_champion_that_was_moved_before_anything_was_measured_is_held_against_its_promotion(path: Path) -> None:
    scene = Scene(path, 30, 12)
    scene.gate(1)
    scene.force(2)

    assert [{"test": ["accuracy"]}] * 2 == [alarms(scene.measure()), alarms(scene.measure())]


def test_the_base_alone_is_measured_until_there_is_a_champion_and_one_that_is_gone_is_an_error(path: Path) -> None:
    from storage.adapters import registry

    scene = Scene(path, 30)
    alone, again = scene.measure(), scene.measure()
    scene.force(1)
    first = scene.measure()
    registry.remove(scene.home, adapters.resolve(scene.home, "logic/1"), force=True)

    assert (None, {"base"}, "round 1, the base") == (alone.champion, set(alone.measures[0].sides), against(again))
    assert ("logic/1", None) == (first.champion, against(first)), "a champion is not held against a base"
    with pytest.raises(UsageError, match="no champion any more"):
        scene.measure()


def test_history_lies_in_the_warehouse_and_is_filled_again_and_the_page_tells_it(path: Path) -> None:
    """With a second set, which is a recipe of its own."""
    (path.parent / "other.toml").write_text(
        'name = "<other>"\n[parse]\npath = "data.jsonl"\ntest = 1.0\nvalid = 0.0\n[evaluate]\nengine = "transformers"\n'
        .replace("<other>", "other")
    )  # fmt: skip
    scene = Scene(path, 30, 12)
    scene.recipe = load(path, ['reeval.sets=["other.toml"]'])
    scene.force(1)
    scene.measure()
    scene.force(2)
    last = scene.measure()
    rows = _table(scene.home)
    scene.home.warehouse.unlink()
    reevaluations.register(scene.home, "logic")

    assert {"test": ["accuracy"], "other": ["accuracy"]} == alarms(last)
    assert rows == _table(scene.home)
    assert [
        ("round 1", "base", BASE / 40, None),
        ("round 1", "champion", 30 / 40, False),
        ("round 2", "base", BASE / 40, None),
        ("round 2", "champion", 12 / 40, True),
    ] == [(r["round"], r["side"], r["accuracy"], r["alarm"]) for r in rows if r["test_set"] == "other"]


def _table(home: Home) -> list[dict[str, object]]:
    return warehouse.query(home, "select * from measures order by test_set, round, side")


def test_the_page_and_its_markdown_say_what_fell_and_since_when() -> None:
    point: trend.Point = {
        "round": "<1>", "at": "2026-11-21T08:00:00+00:00", "champion": "logic/1", "accuracy": 0.75, "ci95": [0.6, 0.86],
        "unreadable": 0.0, "base": 0.25, "alarm": [], "accepted": "",
    }  # fmt: skip
    fallen: trend.Point = {**point, "round": "2", "at": "2026-11-22T08:00:00+00:00", "champion": "logic/2",
                           "accuracy": 0.3, "ci95": [0.2, 0.4], "alarm": ["accuracy"]}  # fmt: skip
    tests = {"accuracy": {"verdict": "worse", "reason": "18 broken", "difference": -0.45}}
    held = {"name": "<1>, logic/1", "accuracy": 0.75, "changed": ["champion logic/1 → logic/2"]}
    facts: trend.TrendFacts = {
        "recipe": "logic", "round": "2", "made_at": "2026-11-22T08:00:00+00:00", "champion": "logic/2",
        "command": "ponens reeval RECIPE", "alarms": ["test: accuracy fell <b>"],
        "sets": [{"name": "test", "questions": 40, "points": [point, fallen], "against": held, "tests": tests}],
    }  # fmt: skip
    page, text = trend.page(facts), trend.markdown(facts)

    assert "<svg" in page
    assert "<b>" not in page.split("It fell")[1].split("</section>")[0]
    for words in ("champion logic/1 → logic/2", "18 broken", "alarm: accuracy", "&lt;1&gt;, logic/1"):
        assert words in page
    assert "| 2 | logic/2 | 30.0 % |" in text
    assert "▇▃" == trend.spark([0.75, 0.3])
    assert page == trend.page(facts), "the same facts give the same bytes"
