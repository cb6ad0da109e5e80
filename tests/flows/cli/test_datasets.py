"""`ponens datasets`, as a user meets it."""

import json
from pathlib import Path

import pytest

from flows.cli.app import main
from storage.home import Home
from tests.snapshots import example, snapshot


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("PONENS_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return Home(tmp_path)


def ponens(*arguments: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(["datasets", *arguments])
    assert isinstance(done.value.code, int)
    return done.value.code


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert 0 == ponens(*arguments)
    return capsys.readouterr().out


def test_snapshots_are_listed_and_shown(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    first = snapshot(home, example("q", "a"), recipe="logic")
    second = snapshot(home, example("q", "b"), example("r", "b"), recipe="logic")
    listed = json.loads(said(capsys, "list", "--json"))["snapshots"]
    shown = json.loads(said(capsys, "show", "logic@latest", "--json"))

    assert {first.id: None, second.id: first.id} == {one["snapshot"]: one["parents"]["logic"] for one in listed}
    assert (second.id, {"train": 2, "valid": 0}) == (shown["snapshot"], shown["rows"])
    assert [(first.id)] == [entry["parent"] for entry in shown["lineage"]]
    for text in (said(capsys, "list"), said(capsys, "show", second.id[:8])):
        assert first.id in text
        assert "logic" in text


def test_a_diff_says_what_became_of_each_row(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    a = snapshot(home, example("changed", "a long way to the old end"), example("went", "gone"))
    b = snapshot(home, example("changed", "a long way to the new end"), example("came", "[new]"))
    found = json.loads(said(capsys, "diff", a.id, b.id, "--json"))
    text = said(capsys, "diff", a.id, b.id)

    assert [0, 1, 1, 1, 0] == [found[kind] for kind in ("same", "came", "went", "changed", "moved")]
    assert ["came", "changed", "went"] == [row["what"] for row in found["rows"]]
    assert f"{a.id} → {b.id}: same 0, came 1, went 1, changed 1, moved 0" in text
    for words in ("way to the old end → way to the new end", "[new]", "gone"):
        assert words in text
    assert "… and 2 more" in said(capsys, "diff", a.id, b.id, "--limit", "1")


def test_a_snapshot_is_asked_in_sql(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    one = snapshot(home, example("q", "a"))

    assert {"rows": [{"n": 1}]} == json.loads(said(capsys, "sql", one.id, "select count(*) as n from train", "--json"))
    assert "question" in said(capsys, "sql", one.id, "select question from train")


def test_an_unknown_snapshot_is_bad_usage_that_names_those_there_are(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    one = snapshot(home, example("q", "a"))

    for arguments in (("show", "zz"), ("diff", one.id, "zz"), ("sql", "zz", "select 1")):
        assert 2 == ponens(*arguments)
        told = capsys.readouterr()
        assert "" == told.out
        assert one.id in told.err


def test_every_command_has_help_and_stands_in_the_readme() -> None:
    from flows.cli.datasets import app

    readme = (Path(__file__).resolve().parents[3] / "README.md").read_text("utf-8")
    for command in app.registered_commands:
        assert command.callback and command.callback.__doc__
        assert f"`ponens datasets {command.name or command.callback.__name__}" in readme
