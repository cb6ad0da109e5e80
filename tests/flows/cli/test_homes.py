"""Which home a command works in, and what it says of homes that it does not work in."""

import os
from pathlib import Path

import pytest

from flows.cli import app as cli
from storage.home import Home


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("PONENS_HOME", raising=False)
    return tmp_path


def an_adapter(home: Path, name: str) -> None:
    folder = home / "adapters" / name / "1"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(f'{{"digest": "{name}"}}')


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = cli._exit_code(list(words))
    found = capsys.readouterr()
    return code, found.out + found.err


@pytest.mark.parametrize("before", [None, "other"])
def test_a_home_that_is_named_is_worked_in_for_this_command_alone(
    here: Path, before: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if before:
        monkeypatch.setenv("PONENS_HOME", before)

    code, text = said(capsys, "adapters", "list", "--home", "mine")

    assert (0, before) == (code, os.environ.get("PONENS_HOME"))
    assert f"no adapter in {here / 'mine'};" in text


def test_a_home_without_a_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said(capsys, "runs", "list", "--home", "")

    assert 2 == code
    assert "expected: a folder" in text


@pytest.mark.parametrize("words", [("adapters", "list"), ("ask", "hi"), ("runs", "list")], ids=" ".join)
def test_who_looks_in_the_wrong_home_is_told_of_the_right_one(
    here: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--home" in said(capsys, *words)[1]

    an_adapter(here / "recipes" / ".ponens", "demo")
    (here / "recipes" / ".ponens" / "runs").mkdir()

    assert "--home recipes/.ponens, which has some" in " ".join(said(capsys, *words)[1].split())


@pytest.mark.parametrize("words", [("adapters", "show"), ("explain",)], ids=" ".join)
def test_an_adapter_without_its_version_is_answered_with_the_newest(
    here: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    an_adapter(Home(here / ".ponens").root, "quiz")

    code, text = said(capsys, *words, "quiz")

    assert 2 == code, text
    assert "did you mean quiz/1?" in text
