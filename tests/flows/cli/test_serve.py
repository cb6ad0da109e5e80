"""`ponens serve`, `ask` and `chat`, as a user meets them; no model is loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.cli.app import main
from flows.cli.serve_targets import noted, offer, running
from storage.home import Home
from storage.records import UsageError
from tests.adapters import made
from tests.fakes_serving import Served, served

RECIPE = '[parse]\npath = "data.jsonl"\n[train]\nbase_model = "me/base"\n[serve]\nmax_loras = 3\n'
ASK = "Who sits left?\nA) Mia\nB) Tom"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("PONENS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(tmp_path)
    return Home(tmp_path / "home")


def ponens(*arguments: str) -> int:
    with pytest.raises(SystemExit) as done:
        main([*arguments])
    assert isinstance(done.value.code, int)
    return done.value.code


def test_recipes_and_names_are_offered_if_they_share_a_base(home: Home, tmp_path: Path) -> None:
    made(home)
    made(home, "night", base_model="me/other")
    recipe = tmp_path / "logic.toml"
    recipe.write_text(f'name = "logic"\n{RECIPE}')

    assert (("logic",), "me/base", 3) == (
        (found := offer([str(recipe)], [], None)).names,
        found.base_model,
        found.spec.max_loras,
    )
    assert 5 == offer(["logic"], ["serve.max_loras=5"], None).spec.max_loras
    for targets, changes, words in (
        (["logic", "night"], [], "one server has one base model"),
        (["logic/1"], [], "all versions"),
        (["nobody"], [], "there is no adapter"),
        (["logic"], ["serve.max_lora=5"], "serve.max_lora"),
        (["logic"], ["train.rank=5"], "one of serve"),
    ):
        with pytest.raises(UsageError, match=words):
            offer(targets, changes, None)


def test_an_address_that_others_reach_needs_a_key(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made(home)
    monkeypatch.delenv("SERVER_KEY", raising=False)

    assert 2 == ponens("serve", "logic", "--host", "0.0.0.0")
    assert 2 == ponens("serve", "logic", "--api-key-env", "SERVER_KEY")
    said = capsys.readouterr().err
    assert "0.0.0.0 can be reached by others" in said and "SERVER_KEY holds no key" in said


@pytest.fixture
def server(home: Home) -> Iterator[Served]:
    made(home, base_identity="i" * 64)
    with served(home, ["logic"]) as found:
        yield found


@pytest.mark.process
def test_ask_finds_the_server_of_its_home_and_shows_base_and_adapter(
    home: Home, server: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    with noted(offer(["logic"], [], None), server.url):
        assert [server.url] == [one["url"] for one in running(home)]
        assert 0 == ponens("ask", ASK, "--vote", "5", "--json")
        told = json.loads(capsys.readouterr().out)["replies"]
        assert 0 == ponens("ask", ASK, "--adapter", "logic/1")
        shown = capsys.readouterr().out
        assert 1 == ponens("ask", ASK, "--adapter", "logic/9")
        wrong = capsys.readouterr().err

    assert [("base", "B", 1), ("logic@latest", "B", 1)] == [(r["model"], r["answer"], r["abstained"]) for r in told]
    assert "base" in shown and "logic/1" in shown and "0 1 2" in shown
    assert "there is no model 'logic/9'" in wrong
    assert [] == list(running(home))


@pytest.mark.process
def test_chat_keeps_the_conversation(
    server: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = iter(["hello", "again", ""])
    monkeypatch.setattr("builtins.input", lambda *prompt: next(lines))

    assert 0 == ponens("chat", "--server", server.url, "--adapter", "logic/1")
    assert 2 == capsys.readouterr().out.count("0 1 2")
