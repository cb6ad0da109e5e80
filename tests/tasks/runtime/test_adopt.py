from pathlib import Path

import pytest

from storage.home import Home
from tasks.runtime.forecast import forecast
from tasks.runtime.step import Result, Step, Workshop, run_step


class Work:
    """Counts how often it is done."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, shop: Workshop) -> Result:
        self.runs += 1
        (shop.folder / "adapter_model.safetensors").write_text(f"run {self.runs}")
        return Result({"run": self.runs})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def step(work: Work) -> Step:
    return Step("train", ("tasks.runtime.step",), {"rank": 8}, {"snapshot": "s"}, work, "adapters/demo", numbered=True)


def lose_receipt(home: Home, made: Step) -> None:
    home.receipt(made.name, str(made.key)).unlink()


def test_a_kill_between_publishing_and_the_receipt_costs_no_second_training(home: Home) -> None:
    work = Work()
    first, _ = run_step(step(work), home)
    lose_receipt(home, step(work))

    assert forecast(step(work), home).status == "cached"
    second, status = run_step(step(work), home)

    assert (status, work.runs) == ("cached", 1)
    assert second == first
    assert run_step(step(work), home)[1] == "cached"


def test_a_damaged_adapter_is_not_adopted(home: Home) -> None:
    work = Work()
    first, _ = run_step(step(work), home)
    lose_receipt(home, step(work))
    (home.root / first.artifact / "adapter_model.safetensors").write_text("other")

    assert forecast(step(work), home).status == "will_run"
    second, status = run_step(step(work), home)

    assert (status, work.runs, second.artifact) == ("ran", 2, "adapters/demo/2")


def test_an_adapter_of_other_work_is_not_adopted(home: Home) -> None:
    work = Work()
    run_step(step(work), home)
    other = Step(
        "train", ("tasks.runtime.step",), {"rank": 16}, {"snapshot": "s"}, work, "adapters/demo", numbered=True
    )

    assert run_step(other, home)[1] == "ran"


def test_a_deleted_adapter_is_made_anew_though_an_older_one_of_the_same_work_lies_there(home: Home) -> None:
    work = Work()
    run_step(step(work), home)
    second, _ = run_step(step(work), home, refresh=True)
    for file in (home.root / second.artifact).iterdir():
        file.unlink()

    third, status = run_step(step(work), home)

    assert (status, work.runs) == ("ran", 3)
    assert third.artifact != "adapters/demo/1"
