"""A person's word on keys, from the terminal into what a run makes of it."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from evals.corrected import told
from flows.chain import chain
from flows.cli.app import app
from flows.recipe import Recipe, load
from storage import corrections
from storage.artifacts import write_json
from storage.home import Home
from storage.records import PonensError, Question, Receipt, UsageError
from storage.tables import doubted_keys, questions
from storage.tables.parsed import DROPS
from tasks.runtime.step import Step, run_step

RECIPE = """
name = "lamps"
[parse]
path = "lamps.jsonl"
valid = 0.2
test = 0.4
[reason]
teacher = "embedded"
[train]
base_model = "org/model"
"""
ASKED = [Question(f"Lamp {n} is red.", "Which colour?", ("red", "blue", "green"), "B") for n in range(20)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe whose teacher contradicts two keys, in a home where it was run."""
    monkeypatch.delenv("PONENS_HOME", raising=False)
    rows = [
        {"passage": q.problem, "question": q.question, "options": list(q.options), "answer": q.answer} for q in ASKED
    ]
    (tmp_path / "lamps.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "lamps.toml").write_text(RECIPE)
    asked(tmp_path)
    return tmp_path


def step_of(folder: Path, name: str = "parse", receipt: Receipt | None = None) -> Step:
    walk = chain(load(folder / "lamps.toml"), folder / ".ponens")
    step = next(walk)
    return step if name == step.name else walk.send(receipt or parsed(folder))


def parsed(folder: Path) -> Receipt:
    return run_step(step_of(folder), Home(folder / ".ponens"))[0]


def kept(folder: Path, receipt: Receipt) -> dict[str, Question]:
    return {q.id: q for q in questions.Stored(Home(folder / ".ponens"), receipt)}


def asked(folder: Path) -> None:
    """What a run up to `reason` leaves, with a teacher that says A of the first two questions."""
    home, receipt = Home(folder / ".ponens"), parsed(folder)
    artifact = home.root / "artifacts" / "rationales" / "r"
    artifact.mkdir(parents=True)
    row: dict[str, Any] = dict.fromkeys(doubted_keys.SCHEMA)
    doubted_keys.write(
        artifact,
        [row | {"rank": n, "question": q.id, "file": "lamps.jsonl", "line": n, "problem": q.problem, "asked": q.question,
                "options": list(q.options), "key": q.answer, "answer": "A", "votes": ["A", "A", None]}
         for n, q in enumerate(ASKED[:2], start=1)],
    )  # fmt: skip
    write_json(
        home.receipt("reason", "k"), Receipt("reason", "k", "d", "artifacts/rationales/r", {}, {}, 0.0, "").dict()
    )
    steps = [{"name": "parse", "key": receipt.key}, {"name": "reason", "key": "k"}]
    write_json(home.run("1") / "recipe.json", load(folder / "lamps.toml").model_dump(mode="json"))
    write_json(home.run("1") / "outcome.json", {"outcome": "done", "recipe": "lamps", "steps": steps})


def ponens(*arguments: str) -> Any:
    """The object that a command prints. UsageError as the command raises it."""
    done = CliRunner().invoke(app, ["suspects", *arguments, "--json"], catch_exceptions=False)
    assert 0 == done.exit_code
    return json.loads(done.stdout)


def test_a_word_changes_the_key_leaves_out_or_settles_and_an_undone_one_nothing(place: Path) -> None:
    recipe, before = str(place / "lamps.toml"), parsed(place)
    first, second, third = (q.id for q in ASKED[:3])
    assert [first, second] == [row["question"] for row in ponens(recipe)["suspects"]]

    ponens(recipe, "--say", first[:10], "a", "--why", "it says red")
    ponens(recipe, "--say", second, "fine")
    ponens(recipe, "--say", third, "ambiguous")
    found = ponens(recipe)
    assert [] == found["suspects"]
    assert [(first, "A", "it says red"), (second, "fine", ""), (third, "ambiguous", "")] == [
        (word["question"], word["says"], word["why"]) for word in found["said"]
    ]
    receipt = parsed(place)
    assert ("A", "B") == (kept(place, receipt)[first].answer, kept(place, receipt)[second].answer)
    assert third not in kept(place, receipt)
    counts = receipt.facts["corrections"]
    assert (1, 1) == (sum(counts["corrected"].values()), sum(counts["ambiguous"].values()))
    assert 1 == receipt.facts["dropped"]["ambiguous"]
    drops = pl.read_parquet(place / ".ponens" / receipt.artifact / DROPS)
    assert [(third, "ambiguous")] == drops.select("question", "reason").rows()

    for id in (first, second, third):
        ponens(recipe, "--undo", id)
    assert before == parsed(place)
    assert "corrections" not in before.facts
    assert (place / "lamps.jsonl").read_text().count('"answer": "B"') == len(ASKED)
    assert 6 == len((place / "corrections.jsonl").read_text().splitlines())


def test_what_is_said_of_a_key_is_counted_on_the_side_where_its_question_stands(place: Path) -> None:
    test = next(q.id for q in kept(place, parsed(place)).values() if q.split == "test")
    ponens(str(place / "lamps.toml"), "--say", test, "C")

    assert {"train": 0, "valid": 0, "test": 1} == parsed(place).facts["corrections"]["corrected"]


def test_a_word_that_changes_no_key_is_no_correction(place: Path) -> None:
    ponens(str(place / "lamps.toml"), "--say", ASKED[0].id, "B")

    assert "corrections" not in parsed(place).facts


def test_settled_keys_are_in_the_key_of_reason_and_of_nothing_before(place: Path) -> None:
    before, parse_before = step_of(place, "reason"), step_of(place)
    ponens(str(place / "lamps.toml"), "--say", ASKED[1].id, "fine")

    assert parse_before.key == step_of(place).key
    assert before.key != step_of(place, "reason").key


def test_another_recipe_in_the_folder_is_not_stopped_by_words_on_questions_that_it_does_not_have(place: Path) -> None:
    ponens(str(place / "lamps.toml"), "--say", ASKED[0].id, "C")
    (place / "other.jsonl").write_text((place / "lamps.jsonl").read_text().replace("Lamp", "Torch"))
    (place / "other.toml").write_text(RECIPE.replace("lamps", "other"))

    step = next(chain(load(place / "other.toml"), place / ".ponens"))
    assert "corrections" not in run_step(step, Home(place / ".ponens"))[0].facts


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("--say", ASKED[0].id, "D"), "has no option D"),
        (("--say", ASKED[0].id, "wrong"), "says nothing of a key"),
        (("--say", "zz", "B"), "no questions of recipe 'lamps'"),
        (("--say", "", "B"), "20 questions"),
        (("--undo", ASKED[0].id), "nothing was said"),
        (("--why", "because"), "gives no reason for anything"),
        (("--say", ASKED[0].id, "B", "--undo", ASKED[0].id), "one of the two"),
    ],
)
def test_what_cannot_be_said_is_refused_and_nothing_is_written(
    arguments: tuple[str, ...], said: str, place: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        ponens(str(place / "lamps.toml"), *arguments)
    assert not (place / "corrections.jsonl").exists()


@pytest.mark.parametrize(
    "line, said",
    [
        ('{"question": "0123456789abcdef", "says": "B"}', "corrects 1 question that"),
        (json.dumps({"question": ASKED[0].id, "says": "D"}), "corrections.jsonl:1 names an option"),
        ("{torn", "corrections.jsonl:1 is no JSON"),
    ],
)
def test_a_file_that_cannot_be_laid_over_the_source_stops_parse(line: str, said: str, place: Path) -> None:
    (place / "corrections.jsonl").write_text(line + "\n")

    with pytest.raises(PonensError, match=said):
        parsed(place)


def test_other_kinds_have_no_keys_and_read_no_corrections(place: Path) -> None:
    (place / "sql.toml").write_text('name = "q"\nkind = "sql"\n[parse]\npath = "q.jsonl"\n')

    assert load(place / "sql.toml").parse.corrections is None
    with pytest.raises(UsageError, match="no keys in doubt"):
        ponens(str(place / "sql.toml"))
    with pytest.raises(UsageError, match="corrections"):
        load(place / "sql.toml", ["parse.corrections=mine.jsonl"])


def test_a_recipe_whose_teacher_was_never_asked_says_what_to_run(place: Path) -> None:
    (place / "new.toml").write_text(RECIPE.replace('"lamps"', '"new"'))

    with pytest.raises(UsageError, match="ponens reason RECIPE"):
        ponens(str(place / "new.toml"))


def test_the_corrections_of_a_recipe_lie_beside_it_or_where_it_says() -> None:
    made = Recipe(name="x", parse={"path": "/x"})

    assert made.corrected is None
    assert corrections.NAME == "corrections.jsonl"


def test_the_sentence_counts_keys_and_questions_and_those_of_the_test() -> None:
    counts = {"corrected": {"train": 2, "valid": 0, "test": 1}, "ambiguous": {"train": 0, "valid": 0, "test": 1}}

    assert (
        "By hand, 3 keys are corrected (1 of test questions) and 1 question is left out as ambiguous (1 of the test)."
        == told(counts)
    )
