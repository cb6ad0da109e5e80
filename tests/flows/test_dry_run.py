"""What would go wrong in a run is said before anything is asked, loaded or paid for."""

import json
from pathlib import Path

import pytest

from flows import dry_run
from flows.cli import commands
from flows.plan import examine, plan
from flows.recipe import Recipe, load
from storage.dialogues import Dialogue, Message
from storage.home import Home
from storage.records import PonensError, Receipt
from storage.tables import dialogue_files
from tasks.kinds.registry import KINDS

PUZZLES = """\
name = "small"
[puzzles]
count = 20
[reason]
teacher = "embedded"
[train]
base_model = "recipes/demo_base"
report_to = []
[evaluate]
engine = "transformers"
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def recipe(tmp_path: Path, *changes: str, text: str = PUZZLES) -> Recipe:
    path = tmp_path / "small.toml"
    path.write_text(text)
    return load(path, list(changes))


def wrong(chosen: Recipe, home: Home, **keys: str) -> dict[str, str]:
    """By name what would fail, as `ponens doctor --recipe` says it."""
    seen = examine(chosen, home, keys.get)
    return {one.name: one.finding().found for one in seen if one.error}


def test_a_recipe_that_works_has_a_line_a_thing_and_nothing_wrong(tmp_path: Path, home: Home) -> None:
    seen = examine(recipe(tmp_path), home, {}.get)
    names = [one.name for one in seen]

    assert [] == [one for one in seen if one.error]
    assert ["data", "teacher", "price", "base model", "training", "memory", "test split", "engine"] == names
    assert "embedded, solver/" in seen[1].seen


WRONG = [
    (["reason.teacher=openai", "reason.model=m"], "teacher", "needs a key (OPENAI_API_KEY is not set"),
    (["reason.teacher=openai", "reason.model=m", "reason.max_cost=1"], "teacher", "max_cost needs the model's price"),
    (["train.base_model=Qwen/Nope-9B"], "base model", "'Qwen/Nope-9B' is not on this machine"),
    (["train.base_model=/nowhere/base"], "base model", "'/nowhere/base' is not there"),
    (["train.rank=4096"], "training", "rank cannot be served"),
    (["parse.test=0"], "test split", "there is no question to evaluate on"),
    (["parse.test=1", "parse.valid=0"], "data", "there is nothing to train on"),
    (["train.report_to=['wandb']"], "training", "wandb"),
]


@pytest.mark.parametrize(("changes", "name", "says"), WRONG, ids=[changes[-1] for changes, _, _ in WRONG])
def test_what_would_fail_is_named_with_its_step(
    tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch, changes: list[str], name: str, says: str
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    found = wrong(recipe(tmp_path, *changes), home)

    assert says in found[name]
    assert " fail: " in found[name]


def test_rows_of_another_kind_are_said_as_what_is_wrong_with_the_data(tmp_path: Path, home: Home) -> None:
    (tmp_path / "rows.jsonl").write_text('{"instruction": "Say hello.", "output": "Hello."}\n' * 3)
    text = 'name = "s"\nkind = "sql"\n[parse]\npath = "rows.jsonl"\n[train]\nbase_model = "recipes/demo_base"\n'

    assert "does not take these rows" in wrong(recipe(tmp_path, text=text), home)["data"]


def dialogues(home: Home, about: dict[str, object]) -> Receipt:
    """The parse step's artifact of forty puzzles of knights, whose scorer knows what `about` says."""
    folder = home.root / "parsed"
    folder.mkdir(parents=True)
    rows = [
        Dialogue(
            (Message("user", f"Ann says {n}."), Message("assistant", "Ann is a knight.")), "assignment", about=about
        )
        for n in range(40)
    ]
    _, facts = dialogue_files.write(folder, rows, lambda group: "train" if group < "8" else "test")
    return Receipt("parse", "k", "d", "parsed", {}, facts, 0.0, "")


@pytest.mark.parametrize("about", [{"names": ["Ann"], "solution": [True]}, {}], ids=["known", "unknown"])
def test_references_that_cannot_be_scored_are_refused_before_the_run(
    tmp_path: Path, home: Home, about: dict[str, object]
) -> None:
    text = 'name = "k"\nkind = "assignment"\n[parse]\npath = "rows.jsonl"\n[train]\nbase_model = "recipes/demo_base"\n'
    dry = dry_run.Dry(recipe(tmp_path, text=text), home, dialogues(home, about), {})

    assert KINDS["assignment"].asking.read("Ann is a knight.")
    if about:
        dry_run.refuse(dry, ["train", "evaluate"])
    else:
        with pytest.raises(PonensError, match=r"none of (.|\n)*no solution is known"):
            dry_run.refuse(dry, ["train", "evaluate"])
        dry_run.refuse(dry, ["assemble"])  # a run that ends there is not held up by what comes later


def test_an_estimate_that_is_too_large_refuses_no_run(tmp_path: Path, home: Home) -> None:
    chosen = recipe(tmp_path, "train.base_model=Qwen/Nope-9B")  # a run would download it

    dry_run.refuse(dry_run.Dry(chosen, home, None, {}), ["train"])


def test_a_plan_says_what_would_go_wrong_and_ends_with_2(
    tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setenv("PONENS_HOME", str(home.root))
    recipe(tmp_path)
    chosen = recipe(tmp_path, "reason.teacher=openai", "reason.model=m", "reason.max_cost=1")
    (tmp_path / "copy.json").write_text(chosen.model_dump_json())

    assert not commands.plan(tmp_path / "copy.json", [], [], json=True)
    said = json.loads(capsysbinary.readouterr().out)
    assert ["teacher"] == [one["name"] for one in said["wrong"]]
    assert "reason would fail: max_cost" in said["wrong"][0]["found"]


def test_what_is_done_is_not_looked_at_again(tmp_path: Path, home: Home) -> None:
    chosen = recipe(tmp_path)
    told = {one.name: one for one in plan(chosen, home)}
    told["train"] = type(told["train"])("train", "cached", "made")
    seen = dry_run.outlooks(dry_run.Dry(chosen, home, None, told))

    assert not {"base model", "training", "memory"} & {one.name for one in seen}


def test_a_check_that_cannot_look_says_so_and_ends_nothing(tmp_path: Path, home: Home, monkeypatch) -> None:
    def broken(dry: dry_run.Dry):
        raise ZeroDivisionError("no")
        yield

    monkeypatch.setattr(dry_run, "CHECKS", (("odd", "train", broken),))
    dry = dry_run.Dry(recipe(tmp_path), home, None, {})
    dry_run.refuse(dry, ["train"])

    assert ["could not be looked at: ZeroDivisionError: no"] == [one.seen for one in dry_run.outlooks(dry)]


def test_a_dry_run_parses_and_does_nothing_else(tmp_path: Path, home: Home) -> None:
    examine(recipe(tmp_path), home, {}.get)

    assert {"puzzles", "parse"} == {path.name for path in (home.root / "receipts").iterdir()}
