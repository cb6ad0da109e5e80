"""Homes that share a store: what one has made, the other takes from there, whole or not at all."""

from pathlib import Path

import fsspec
import pytest

from storage import remote
from storage.home import Home
from storage.records import PonensError
from storage.shared_store import Store
from tasks.runtime.forecast import forecast
from tasks.runtime.step import Result, Step, Workshop, run_step

URL = "memory://shared/ponens"


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    files = fsspec.filesystem("memory")
    if files.exists("/shared"):
        files.rm("/shared", recursive=True)
    monkeypatch.setenv("PONENS_STORE", URL)
    return Store(URL)


def trained(home: Home, worked: list[str], *, rank: int = 8) -> Step:
    def work(shop: Workshop) -> Result:
        worked.append(home.root.name)
        (shop.folder / "deep").mkdir()
        (shop.folder / "deep" / "adapter.txt").write_text(f"rank {rank}")
        return Result({"rank": rank}, identity=f"{rank}" * 64)

    return Step(
        "train", ("tasks.runtime.step",), {"rank": rank}, {"snapshot": "s"}, work, "adapters/demo", numbered=True
    )


def test_what_one_home_has_made_is_a_hit_in_another_under_the_same_number(tmp_path: Path) -> None:
    one, two, worked = Home(tmp_path / "one"), Home(tmp_path / "two"), list[str]()
    run_step(trained(one, worked, rank=4), one)
    made, _ = run_step(trained(one, worked), one)

    planned = forecast(trained(two, worked), two)
    found, how = run_step(trained(two, worked), two)
    again, _ = run_step(trained(two, worked), two)

    assert ("will_run", made.digest) == (planned.status, planned.receipt.digest if planned.receipt else None)
    assert ("cached", ["one", "one"]) == (how, worked)
    assert made == found == again
    assert "adapters/demo/2" == found.artifact
    assert "rank 8" == (two.root / found.artifact / "deep" / "adapter.txt").read_text()
    assert not list((two.root / "work").iterdir())


def test_damage_there_is_made_good_by_working_and_refresh_works_in_any_case(tmp_path: Path) -> None:
    one, two, worked = Home(tmp_path / "one"), Home(tmp_path / "two"), list[str]()
    run_step(trained(one, worked), one)
    files = fsspec.filesystem("memory")
    (file,) = files.glob("/shared/ponens/adapters/demo/*/deep/adapter.txt")
    files.pipe_file(file, b"rank 9")

    _, how = run_step(trained(two, worked), two)
    run_step(trained(two, worked), two, refresh=True)

    assert ("ran", ["one", "two", "two"]) == (how, worked)


def test_a_store_that_cannot_be_asked_stops_before_work_and_one_that_takes_nothing_does_not_undo_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    home, worked = Home(tmp_path / "one"), list[str]()
    monkeypatch.setenv("PONENS_STORE", "nowhere://user:secret@x")
    with pytest.raises(PonensError) as caught:
        run_step(trained(home, worked), home)
    assert ([], False) == (worked, "secret" in str(caught.value))

    full = tmp_path / "full"
    full.write_text("a file where the store's folder would be")
    monkeypatch.setenv("PONENS_STORE", f"file://{full}")
    run_step(trained(home, worked), home)
    assert worked == ["one"]
    assert "not shared" in caplog.text

    monkeypatch.setenv("PONENS_STORE", URL)
    assert "cached" == run_step(trained(home, worked), home)[1]
    assert Store(URL).find("train", str(trained(home, worked).key)), "offered by the next run"
    assert remote.opened(URL)[0].exists("/shared/ponens/receipts/train")
