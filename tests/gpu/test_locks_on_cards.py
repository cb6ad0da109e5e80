"""Two steps do not take one card; each of two has one of its own where there are two."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from storage import devices
from storage.home import Home
from tasks.runtime.step import Result, Step, Workshop, run_step
from tests.cards import pretend

pytestmark = [pytest.mark.gpu, pytest.mark.process]


@pytest.fixture(autouse=True)
def cards(device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[devices.Device]:
    """The machine's cards, and locks of this test's own."""
    if device == "cpu":
        pretend(2, tmp_path, monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path))
    return devices.visible()


class Works:
    """Steps that hold a card for a second, each in a thread; when each had which."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.held: list[tuple[float, float, str]] = []
        self.waited: list[str] = []

    def step(self, name: str) -> Step:
        def work(shop: Workshop) -> Result:
            with shop.devices(1) as mine:
                start = time.monotonic()
                time.sleep(1)  # in which the other step asks for a card
                self.held.append((start, time.monotonic(), mine.environment["CUDA_VISIBLE_DEVICES"]))
            (shop.folder / "done").write_text(name)
            return Result({})

        return Step("train", ("tasks.runtime.step",), {"name": name}, {}, work, shelf="adapters/logic")

    def both(self) -> None:
        def heard(said: str | None) -> None:
            self.waited += [said] if said else []

        threads = [
            threading.Thread(target=run_step, args=(self.step(who), self.home), kwargs={"who": who, "waits": heard})
            for who in ("train of logic", "train of sql")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def test_the_second_step_waits_until_the_first_gives_the_card_back(
    cards: list[devices.Device], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(devices.VISIBLE, cards[0].listed)
    works = Works(Home(tmp_path / "home"))
    works.both()
    (_, first_end, first), (second_start, _, second) = sorted(works.held)

    assert [cards[0].listed] * 2 == [first, second]
    assert first_end <= second_start
    assert any(f"GPU {cards[0].listed} is held by train of" in said for said in works.waited)


def test_each_of_two_steps_has_a_card_of_its_own(cards: list[devices.Device], tmp_path: Path) -> None:
    if len(cards) < 2:
        pytest.skip("needs two cards")
    works = Works(Home(tmp_path / "home"))
    works.both()
    (_, first_end, first), (second_start, _, second) = sorted(works.held)

    assert first != second
    assert second_start < first_end
    assert [] == works.waited


def test_a_child_sees_the_card_that_is_held_for_it_and_no_other(cards: list[devices.Device], device: str) -> None:
    if device == "cpu":
        pytest.skip("no card is there to be seen")
    with devices.held(1, "a test") as mine:
        seen = subprocess.run(
            [sys.executable, "-c", "import torch; print(torch.cuda.device_count())"],
            env={**os.environ, **mine.environment}, pass_fds=mine.files, capture_output=True, text=True, check=True,
        )  # fmt: skip

    assert "1" == seen.stdout.strip()
