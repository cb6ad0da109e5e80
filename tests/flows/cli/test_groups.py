"""The command line's first screen: every command in a group, in the order of work; the version; the runs of a home."""

import json
from pathlib import Path
from typing import get_args

import orjson
import pytest

from flows.cli import app as cli
from flows.cli.groups import GROUPS, ORDER
from flows.recipe import StepName
from storage.home import Home
from tasks.runtime.forecast import forecast
from tasks.runtime.step import Result, Step, run_step


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli._exit_code(list(words)) == 0
    return capsys.readouterr().out


def test_every_command_is_in_one_group_and_help_names_them_in_the_order_of_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    text = said(capsys, "--help")
    named = [line.split()[1] for line in text.splitlines() if line.startswith("│ ") and line[2].isalpha()]

    assert ORDER == named
    assert list(GROUPS) == [line.split("─")[1].strip() for line in text.splitlines() if line.startswith("╭")][1:]


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "--version").startswith("ponens 0.")


def test_help_lists_the_steps(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")

    assert said(capsys, "run", "--help").count(cli.STEPS) == 2
    assert all(step in cli.STEPS.split(", ") for step in get_args(StepName) if step != "promote")


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        ("run", "run [OPTIONS] RECIPE"),
        ("parse", "parse [OPTIONS] PATH"),
        ("datasets sql", "datasets sql [OPTIONS] SNAP QUERY"),
        ("serve", "serve [OPTIONS] RECIPE|NAME…..."),
        ("adapters", "adapters [OPTIONS] COMMAND [ARGS]..."),
    ],
)
def test_help_writes_arguments_in_capitals_and_gives_a_switch_no_type(
    command: str, usage: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    text = said(capsys, *command.split(), "--help")
    [line] = [line for line in text.splitlines() if "Usage:" in line]

    assert line.rstrip().endswith(usage)
    assert "<bool>" not in text
    assert "{" not in text


def test_help_of_refresh_says_that_replies_are_not_asked_for_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")

    for command in ("run", "evaluate", "reason"):
        assert "Replies that the home holds are not asked for again" in said(capsys, command, "--help")


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("dev", "stopped"),
        ("serve", "stopped"),
        ("mlflow", "stopped"),
        ("chat", "stopped"),
        ("run", "goes on from here"),
    ],
)
def test_what_ctrl_c_says_fits_a_server_and_a_run(
    command: str, word: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def app(arguments: list[str]) -> None:
        raise SystemExit(cli.INTERRUPTED)

    monkeypatch.setattr(cli, "app", app)

    assert cli.INTERRUPTED == cli._exit_code([command])
    assert capsys.readouterr().err.strip().endswith(word)


def a_run(home: Home, id: str, **outcome: object) -> None:
    folder = home.run(id)
    folder.mkdir(parents=True)
    (folder / "recipe.json").write_text("{}")
    (folder / "outcome.json").write_bytes(orjson.dumps({"run_id": id, "outcome": "done", "steps": [], **outcome}))


def test_runs_are_listed_and_shown(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home")
    monkeypatch.setenv("PONENS_HOME", str(home.root))
    a_run(home, "20260101-000000-aaaa", recipe="a")
    judged = {"base": {"accuracy": 0.25}, "adapter": {"accuracy": 0.5}, "paired": {"verdict": "better"}}
    a_run(home, "20260102-000000-bbbb", recipe="b", adapter="b/1", evaluation=judged)
    assert cli._exit_code(["runs", "list", "--json"]) == 0
    rows = json.loads(capsysbinary.readouterr().out)["runs"]
    assert cli._exit_code(["runs", "show", "b@latest", "--json"]) == 0

    assert ["20260101-000000-aaaa", "20260102-000000-bbbb"] == [row["run"] for row in rows]
    assert [0.25, 0.5, "better"] == [rows[1][name] for name in ("base", "accuracy", "verdict")]
    assert "b" == json.loads(capsysbinary.readouterr().out)["recipe"]
    assert cli._exit_code(["runs", "show", "nothing"]) == 2


def test_a_plan_compares_with_the_nearest_work_of_the_same_name(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")

    def training(name: str, rank: int, epochs: int = 3) -> Step:
        def work(shop):
            (shop.folder / "weights").write_text(f"{name} {rank} {epochs}")
            return Result({})

        settings = {"name": name, "rank": rank, "epochs": epochs}
        return Step(
            "train", ("tasks.runtime.step",), settings, {"snapshot": "s"}, work, f"adapters/{name}", numbered=True
        )

    for step in (training("mine", 8), training("mine", 64, 9), training("other", 8)):
        run_step(step, home)

    assert "rank changed from 8 to 16" == forecast(training("mine", 16), home).why
    assert "never run for third in this home" == forecast(training("third", 8), home).why


@pytest.mark.parametrize("command", ["run", "reason", "evaluate", "train"])
def test_a_command_that_takes_its_time_says_first_what_it_reads(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert 2 == cli._exit_code([command, "nowhere.toml"])
    assert capsys.readouterr().err.startswith("reading nowhere.toml …\n")
