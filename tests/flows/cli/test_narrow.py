"""Every verb's tables and errors in a terminal of 60 columns: what does not fit has another form, or says so by …."""

import io
import json
import shlex
import shutil
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from flows import show, tables
from flows.cli import reeval as trend
from flows.cli.app import _exit_code
from storage import reevaluations, warehouse
from storage.adapters import champions, registry
from storage.adapters import versions as adapters
from storage.home import Home
from tasks.puzzles.step import PuzzlesSpec, write
from tests.adapters import judged, made
from tests.evaluations import ASKED, ran
from tests.flows.cli.test_suspects import ASKED as LAMPS
from tests.flows.cli.test_suspects import RECIPE as LAMPS_RECIPE
from tests.flows.cli.test_suspects import asked
from tests.flows.conftest import ROOT
from tests.snapshots import example, snapshot

BASE = "my-organisation/a-base-model-of-7B-parameters"
RUN = "20261122-080000-bbbb"
COLUMNS = 60


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, two recipes and a home of adapters, snapshots, runs and moves."""
    folder = tmp_path_factory.mktemp("narrow")
    write(PuzzlesSpec(count=12, seed=3), folder / "data.jsonl")
    lamps = [{"passage": q.problem, "question": q.question, "options": list(q.options), "answer": "B"} for q in LAMPS]
    (folder / "lamps.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lamps))
    (folder / "lamps.toml").write_text(LAMPS_RECIPE)
    (folder / "broken.jsonl").write_text('{"problem": "p"}\n' * 3)
    for name in ("logic", "demo"):
        shutil.copy(ROOT / "recipes" / f"{name}.toml", folder)
    home = Home(folder / ".ponens")
    first = snapshot(home, example("q", "a"), recipe="logic")
    snapshot(home, example("q", "b"), example("r", "b"), recipe="logic")
    for number in "123":
        judged(home, made(home, digest=number * 64, snapshot=first.manifest["digest"], base_model=BASE))
    registry.set_alias(home, adapters.resolve(home, "logic/3"), "the-one-that-is-stable")
    champions.promote(home, adapters.resolve(home, "logic/2"), None, "gate", "")
    asked(folder)
    keys = [q.answer for q in ASKED]
    warehouse.open_run(home, RUN, recipe="{}", name="logic")
    ran(home, "20261121-080000-aaaa", [None] * 20 + keys[20:])
    ran(home, RUN, keys)
    return folder


# the command, its exit code, and what has to be read whole
CASES = [
    ("adapters list", 0, ["logic/3", "the-one-that-is-stable", BASE, "better"]),
    ("adapters show logic/3", 0, [BASE, "3" * 64, "2026-11-22T08:00:00+00:00"]),
    ("adapters diff logic/1 logic/2", 0, ["logic/1 → logic/2"]),
    ("adapters history logic", 0, ["@the-one-that-is-stable", "@champion"]),
    ("datasets list", 0, ["logic", "2026-01-01", "parent"]),
    ("datasets show logic@latest", 0, ["train 2, valid 0", "files"]),
    ("runs list", 0, [RUN, "cannot tell", "better", "logic/1"]),
    (f"diff 20261121 {RUN}", 0, [RUN, "The second run is better", "on 40 questions in common"]),
    ("explain logic/3", 0, ["base", "model", "evaluation x"]),
    ('sql "select * from runs"', 0, [RUN, "started_at", "finished_at"]),
    (
        "suspects lamps.toml",
        0,
        [LAMPS[0].id, "A A –", "lamps.jsonl:1", "Lamp 1 is red.", "2 keys in doubt", "--undo ID"],
    ),
    ("gc", 0, ["nothing in"]),
    ("parse data.jsonl", 0, ["12 problems", "0 rejected"]),
    ("parse broken.jsonl", 2, ["broken.jsonl"]),
    ("plan demo.toml", 0, ["will run train", "snapshot, which will be made anew"]),
    ("train demo.toml --preview 0", 2, ["--preview"]),
    ("explain nothing", 2, ["'nothing'", "expected:", "RECIPE@latest, or a source file"]),
    ("plan demo.toml --set train.rnk=8", 2, ["train.rnk", "train.rank"]),
    ("adapters show quiz/1", 2, ["quiz", "expected:"]),
    ("models list", 0, ["no model in"]),
]


@pytest.mark.parametrize(("command", "code", "whole"), CASES, ids=[case[0] for case in CASES])
def test_nothing_is_cut_without_a_sign(
    command: str, code: int, whole: list[str], user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(user)
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    for variable in ("PONENS_HOME", "PREFECT_API_URL"):
        monkeypatch.delenv(variable, raising=False)
    for name, stream in (("stdout", show.stdout), ("stderr", show.stderr)):
        assert isinstance(stream, tables.Output), name
    out, wrong = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(wrong):
        assert code == _exit_code(shlex.split(command)), out.getvalue() + wrong.getvalue()
    text = out.getvalue() + wrong.getvalue()
    straight = " ".join(text.replace("│", " ").split())

    assert [] == [words for words in whole if words not in straight], text
    framed = [line for line in text.splitlines() if line and line[0] in "┏┡│└┃╭╰"]
    assert [] == [line for line in framed if len(line) > COLUMNS], "a table that the terminal would break"


def test_a_trend_keeps_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    home, right = Home(tmp_path), {"accuracy": 0.75, "ci95": [0.6, 0.86], "unreadable": 0.125}
    of = reevaluations.Measure("a-set-of-a-long-name", "e", 40, 5, {"base": right, "champion": right}, {})
    for number in (1, 2):
        found = reevaluations.Round("logic", f"the round of week {number}", "2026-11-22T08:00:00+00:00", "logic/2", "gate", 0,
                               "it is right as it is" if number == 2 else "", [of])  # fmt: skip
        reevaluations.append(home, found)
    tests = {"accuracy": {"reason": "18 of 40 questions were broken and 0 fixed"}}
    one = {"set": of.set, "questions": 40, "against": {"name": "round 1, logic/1"}, "tests": tests}
    trend._shown(
        home, {"recipe": "logic", "champion": "logic/2", "sets": [one], "page": "/p/trend.html", "warnings": []}
    )
    out = capsys.readouterr().out
    text = " ".join(out.replace("│", " ").split())

    for words in (of.set, "round 1, logic/1", "the round of week 2", "logic/2", "75.0 %", "60.0 to 86.0", "12.5 %",
                  "accepted: it is right as it is", "18 of 40 questions were broken", "trend: /p/trend.html"):  # fmt: skip
        assert words in text, out


def test_estimates_keep_their_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    part = {"asked": 75, "tokens": {"in": 2996, "out": 20_000_000}, "cost": None}
    asked = {"questions": 25, "requests": 75, "from_ledger": 0, "learned_from": 0, "at_most": part, **part}
    show.asking({"teacher": "openai", "model": "a-teacher-of-a-long-name-indeed", **asked})
    memory = {"weights of the base model": 2**30, "total": 2**30}
    trained = {
        "base_model": BASE, "method": "lora", "device": "cuda:0", "memory": memory, "room": None, "seconds": None,
        "gradient_checkpointing": False, "fits": None, "steps": 3, "rows_a_step": 8, "passes_a_step": 1,
        "tokens": 9, "rows": 8, "trained_tokens": 7, "truncated": 0, "measured_by": None,
    }  # fmt: skip
    show.training(trained)
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())

    for words in ("20,000,000", "unknown", "requests", "weights of the base model", "1.000"):
        assert words in text
    assert BASE in text.replace(" ", "")
