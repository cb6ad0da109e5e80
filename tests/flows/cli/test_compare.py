"""`ponens diff` and `ponens results`, as a user meets them."""

import json
from pathlib import Path

import pytest

from flows.cli.app import main
from storage.home import Home
from tests.evaluations import ASKED, ran

KEYS = [q.answer for q in ASKED]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("PONENS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    return Home(tmp_path / "home")


def ponens(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    return done.value.code


def test_a_diff_says_which_run_is_better_and_on_what(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    ran(home, "one", [None] * 20 + KEYS[20:])
    ran(home, "two", KEYS, train={"base_model": "toy", "rank": 16})

    assert 0 == ponens("diff", "one", "two", "--json")
    assert "better" == json.loads(capsys.readouterr().out)["evaluation"]["paired"]["verdict"]
    assert 0 == ponens("diff", "one", "two")
    said = capsys.readouterr().out
    for words in (
        "The second run is better.",
        "95 % intervals, on 40 questions",
        "20 of 40 questions were fixed",
        "train.rank",
        "q-1  key B: – → B",
    ):
        assert words in said
    assert 2 == ponens("diff", "one", "three")


def test_an_evaluation_is_written_where_asked(home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran(home, "one", KEYS)

    assert 0 == ponens("results", "logic@latest", "--as", "inspect", "--out", str(tmp_path / "log"), "--json")
    assert ["base.json", "logic-1.json"] == json.loads(capsys.readouterr().out)["files"]
    assert 2 == ponens("results", "one", "--as", "inspect", "--out", str(tmp_path / "log"))
