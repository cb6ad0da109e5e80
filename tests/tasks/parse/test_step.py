"""parse: what the step leaves behind, who stands on which side, and what `ponens parse` is told."""

import random
import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from flows.recipe import load
from storage import warehouse
from storage.home import Home
from storage.records import PonensError, Receipt, UsageError
from storage.tables import questions
from tasks.parse import step as parse
from tasks.parse.splits import split_of
from tasks.parse.step import ParseSpec
from tasks.puzzles import step as puzzles
from tasks.puzzles.step import PuzzlesSpec
from tasks.runtime.step import run_step
from tests.dialogues import ROWS
from tests.storage.sources.test_competition import SHARED, needs_shared

ROOT = Path(__file__).resolve().parents[3]


def problem(number: int, answers: str = "AB", **changes: Any) -> dict[str, Any]:
    """A problem with one question for each letter of `answers`; "-" is a question without a key."""
    items = [
        {"question": f"选择题 {n}：Which {n}?", "options": ["x", "y"], **({} if a == "-" else {"answer": a})}
        for n, a in enumerate(answers, start=1)
    ]
    return {"id": f"p_{number}", "problem": f"Problem {number}.", "questions": items, **changes}


def write(file: Path, *problems: object) -> ParseSpec:
    file.write_bytes(b"".join(p if isinstance(p, bytes) else orjson.dumps(p) + b"\n" for p in problems))
    return ParseSpec(path=str(file))


def run(spec: ParseSpec, home: Home) -> tuple[Receipt, str]:
    return run_step(parse.step(spec, parse.source(spec)), home)


def sides(home: Home, receipt: Receipt) -> dict[str, set[str]]:
    """Each problem's splits; one, if all is well."""
    found: dict[str, set[str]] = {}
    for question in questions.Stored(home, receipt):
        found.setdefault(question.problem, set()).add(question.split)
    return found


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def test_what_is_written_is_what_is_loaded(tmp_path, home):
    receipt, did = run(write(tmp_path / "a.jsonl", problem(1, "A-"), b"{broken\n", problem(2)), home)
    loaded = list(questions.Stored(home, receipt))

    assert did == "ran"
    assert [
        (q.problem, q.question, q.options, q.answer, q.source_id, q.file, q.line)
        for q in sorted(loaded, key=lambda q: (q.line, q.question))
    ] == [
        ("Problem 1.", "选择题 1：Which 1?", ("x", "y"), "A", "p_1", "a.jsonl", 1),
        ("Problem 1.", "选择题 2：Which 2?", ("x", "y"), None, "p_1", "a.jsonl", 1),
        ("Problem 2.", "选择题 1：Which 1?", ("x", "y"), "A", "p_2", "a.jsonl", 3),
        ("Problem 2.", "选择题 2：Which 2?", ("x", "y"), "B", "p_2", "a.jsonl", 3),
    ]
    assert {name: receipt.facts[name] for name in ("format", "groups", "questions", "answered", "rejected")} == {
        "format": "competition",
        "groups": 2,
        "questions": 4,
        "answered": 3,
        "rejected": 1,
    }
    assert sum(receipt.facts["splits"].values()) == 4


def test_rows_and_rejects_are_in_the_warehouse(tmp_path, home):
    run(write(tmp_path / "a.jsonl", problem(1), b"{broken\n"), home)

    assert warehouse.query(home, 'select count(*) as n, count(distinct "group") as groups from questions') == [
        {"n": 2, "groups": 1}
    ]
    assert warehouse.query(home, "select file, line, field from rejects") == [
        {"file": "a.jsonl", "line": 2, "field": "line"}
    ]


def test_again_is_cached_and_a_lost_artifact_or_warehouse_comes_back_the_same(tmp_path, home):
    spec = write(tmp_path / "a.jsonl", problem(1), problem(2))
    first, _ = run(spec, home)

    assert run(spec, home) == (first, "cached")

    shutil.rmtree(home.root / first.artifact)
    home.warehouse.unlink()
    again, did = run(spec, home)

    assert did == "ran"
    assert (again.digest, again.artifact) == (first.digest, first.artifact)
    assert warehouse.query(home, "select count(*) as n from questions") == [{"n": 4}]


def test_the_place_of_a_source_does_not_matter_but_its_content_does(tmp_path, home):
    (tmp_path / "moved").mkdir()
    first, _ = run(write(tmp_path / "a.jsonl", problem(1)), home)

    assert run(write(tmp_path / "moved" / "a.jsonl", problem(1)), home) == (first, "cached")
    assert run(write(tmp_path / "a.jsonl", problem(1), problem(2)), home)[1] == "ran"


def test_what_a_killed_try_left_is_no_part_of_the_result(tmp_path, home):
    spec = write(tmp_path / "a.jsonl", problem(1))
    step = parse.step(spec, parse.source(spec))
    parts = home.work("parse", step.key) / "parts"
    parts.mkdir(parents=True)
    (parts / "records-000009.parquet").write_bytes(b"torn")

    receipt, _ = run_step(step, home)

    assert {path.name for path in (home.root / receipt.artifact).iterdir()} == {
        "drops.parquet",
        "manifest.json",
        "questions.parquet",
        "rejects.parquet",
    }


def test_no_problem_stands_on_two_sides_and_the_shares_are_as_asked(tmp_path, home):
    receipt, _ = run(write(tmp_path / "a.jsonl", *(problem(n, "AB") for n in range(400))), home)
    found = sides(home, receipt)
    share = {name: sum(side == {name} for side in found.values()) / 400 for name in ("train", "valid", "test")}

    assert sum(share.values()) == 1
    assert share["test"] == pytest.approx(0.2, abs=0.06)
    assert share["valid"] == pytest.approx(0.05, abs=0.03)


def test_further_problems_move_no_earlier_one(tmp_path, home):
    few = sides(home, run(write(tmp_path / "a.jsonl", *(problem(n) for n in range(100))), home)[0])
    many = [problem(n) for n in range(300)]
    random.Random(1).shuffle(many)
    # nor do further questions of a known problem, with or without keys
    more = sides(home, run(write(tmp_path / "a.jsonl", *many, *(problem(n, "AAA-") for n in range(100))), home)[0])

    assert {name: more[name] for name in few} == few
    assert all(len(side) == 1 for side in more.values())


def test_a_split_depends_on_the_group_the_shares_and_the_salt_alone():
    groups = [f"{n:016x}" for n in range(2000)]
    narrow = {g for g in groups if split_of(g, 0.05, 0.1) == "test"}
    wide = {g for g in groups if split_of(g, 0.2, 0.3) == "test"}

    assert split_of("00" * 8, 0, 1) == "test"
    assert split_of("00" * 8, 0, 0) == "train"
    assert narrow < wide
    assert {g for g in groups if split_of(g, 0, 0.1) == "test"} == narrow
    assert {g for g in groups if split_of(g, 0.05, 0.1, "other") == "test"} != narrow


def test_a_problem_without_any_key_is_kept_out_of_training(tmp_path, home):
    spec = write(tmp_path / "a.jsonl", *(problem(n, "--") for n in range(50)))
    receipt, _ = run(spec, home)

    assert receipt.facts["splits"] == {"train": 0, "valid": 0, "test": 100}


def test_the_same_question_twice_is_one_with_the_key_that_is_known(tmp_path, home):
    receipt, _ = run(write(tmp_path / "a.jsonl", problem(1, "-"), problem(1, "B"), problem(1, "A")), home)

    assert [(q.answer, q.line) for q in questions.Stored(home, receipt)] == [("B", 2)]
    assert receipt.facts["questions"] == 3
    assert {w["kind"] for w in receipt.facts["warnings"]} >= {"repeated-question", "contradicting-keys"}


def test_strict_makes_a_reject_fatal_and_names_it(tmp_path, home):
    spec = write(tmp_path / "a.jsonl", problem(1, "Z"), *[b"{broken\n"] * 9, problem(2))

    assert run(spec, home)[0].facts["rejected"] == 10
    with pytest.raises(UsageError, match=r"10 rows(.|\n)*a.jsonl:1 questions\[0\].answer(.|\n)*and 5 more"):
        run(spec.model_copy(update={"strict": True}), home)


def test_a_source_of_which_every_row_is_rejected_is_an_error_with_the_reason_and_its_count(tmp_path, home):
    spec = write(tmp_path / "a.jsonl", problem(1, "Z"), *[b"{broken\n"] * 9)

    with pytest.raises(UsageError, match=r"line: broken JSON(.|\n)*\(9 of 10 rejected rows\)"):
        run(spec, home)


def test_a_source_without_a_row_is_two_empty_tables(tmp_path, home):
    spec = write(tmp_path / "a.jsonl", b"").model_copy(update={"format": "competition"})
    receipt, _ = run(spec, home)

    assert list(questions.Stored(home, receipt)) == []
    assert receipt.facts["splits"] == {"train": 0, "valid": 0, "test": 0}


def test_a_missing_path_or_an_unknown_format_is_bad_usage(tmp_path):
    spec = write(tmp_path / "a.jsonl", {"instructions": "x"})

    with pytest.raises(UsageError, match="nowhere"):
        parse.source(ParseSpec(path="nowhere.jsonl"), tmp_path)
    with pytest.raises(UsageError, match="no reader knows"):
        parse.inspect(Path(str(spec.path)))
    with pytest.raises(UsageError, match="no such format"):
        parse.inspect(Path(str(spec.path)), "excel")


@pytest.mark.parametrize("wrong", [{"valid": 0.6, "test": 0.5}, {"test": -0.1}, {"format": "excel"}, {"paht": "x"}])
def test_a_spec_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        ParseSpec(**wrong)


def test_a_generated_source_is_read_where_the_step_before_left_it(tmp_path, home):
    made = Receipt("puzzles", "k", "d" * 64, "artifacts/puzzles/1", {}, {}, 0.0, "")
    (home.root / made.artifact).mkdir(parents=True)
    write(home.root / made.artifact / "puzzles.jsonl", problem(1))
    (home.root / made.artifact / "manifest.json").write_text('{\n  "digest": "x"\n}')

    step = parse.step(ParseSpec(), parse.generated(made, home.root))
    facts = run_step(step, home)[0].facts

    assert (facts["questions"], facts["rejected"]) == (2, 0)
    assert (
        parse.step(ParseSpec(), parse.generated(Receipt("puzzles", "", "", "", {}, {}, 0.0, ""), home.root)).key is None
    )


def test_a_lost_artifact_is_named_when_it_is_loaded(home):
    with pytest.raises(PonensError, match="made anew"):
        questions.Stored(home, Receipt("parse", "k", "d", "artifacts/questions/0", {}, {}, 0.0, ""))


def test_inspect_tells_what_the_command_line_promises(tmp_path):
    spec = write(tmp_path / "a.jsonl", problem(1, "A-"), problem(2, "Z"))
    found = parse.inspect(Path(str(spec.path)))

    assert list(found) == ["format", "kinds", "groups", "questions", "answered", "rejected", "rejects", "warnings"]
    assert (found["groups"], found["questions"], found["answered"], found["rejected"]) == (1, 2, 1, 1)
    assert found["rejects"] == [
        {
            "file": "a.jsonl",
            "line": 2,
            "field": "questions[0].answer",
            "reason": "answer 'Z' is none of the letters AB",
        }
    ]
    assert [warning["kind"] for warning in found["warnings"]] == ["no-key"]


SHIPPED = {path.stem: load(path) for path in sorted((ROOT / "recipes").glob("*.toml"))}


@pytest.mark.parametrize("name", [name for name, recipe in SHIPPED.items() if recipe.kind != "choice"])
def test_no_group_crosses_splits_in_a_shipped_recipe_for_dialogues(name, tmp_path, home):
    recipe = SHIPPED[name]
    rows = ROWS[recipe.kind](150)
    # the same threads and databases in other clothes
    again = [orjson.loads(orjson.dumps(row).replace(b" the ", b"  THE ").replace(b"TABLE", b"table")) for row in rows]
    spec = write(tmp_path / "a.jsonl", *rows, *again)
    spec = recipe.parse.model_copy(update={"path": spec.path})
    receipt, _ = run_step(parse.step(spec, parse.source(spec), kind=recipe.kind), home)
    torn = 'select "group" from dialogues group by all having count(distinct split) > 1'

    assert warehouse.query(home, torn) == []
    assert sum(receipt.facts["dropped"].values()) >= len(rows)
    assert all(receipt.facts["splits"].values())


@pytest.mark.parametrize("name", [name for name, recipe in SHIPPED.items() if recipe.kind == "choice"])
def test_no_group_crosses_splits_in_a_shipped_recipe(name, tmp_path, home):
    made = PuzzlesSpec(count=600, seed=4)
    puzzles.write(made, tmp_path / "a.jsonl")
    again = [dict(problem(n), problem=f"  PROBLEM {n}. ") for n in range(50)]  # the same problems in other clothes
    more = b"".join(orjson.dumps(row) + b"\n" for row in [*(problem(n) for n in range(50)), *again])
    (tmp_path / "a.jsonl").write_bytes((tmp_path / "a.jsonl").read_bytes() + more)
    spec = SHIPPED[name].parse.model_copy(update={"path": str(tmp_path / "a.jsonl")})
    receipt, _ = run(spec, home)
    torn = 'select "group" from questions group by all having count(distinct split) > 1'

    assert warehouse.query(home, torn) == []
    assert receipt.facts["dropped"] == {"same words": 100}
    assert all(receipt.facts["splits"].values())


def test_drops_stand_in_the_warehouse_with_what_they_repeat(tmp_path, home):
    held = write(tmp_path / "held.jsonl", problem(3)).path
    spec = write(tmp_path / "a.jsonl", problem(1), problem(1, "-"), problem(3, "A"))
    receipt, _ = run(spec.model_copy(update={"against": [held]}), home)
    found = warehouse.query(
        home, "select reason, file, line, other_file, other_line, similarity from drops order by line"
    )

    assert [tuple(row.values()) for row in found] == [
        ("duplicate", "a.jsonl", 2, "a.jsonl", 1, 1.0),
        ("in an evaluation set", "a.jsonl", 3, "held.jsonl", 1, 1.0),
    ]
    assert receipt.facts["dropped"] == {"duplicate": 1, "in an evaluation set": 1}
    assert warehouse.query(home, "select count(*) as n from drops d join questions q on q.id = d.question") == [
        {"n": 1}
    ]


def test_another_evaluation_set_is_another_step_and_a_missing_one_bad_usage(tmp_path, home):
    spec = write(tmp_path / "a.jsonl", problem(1), problem(2))
    held = spec.model_copy(update={"against": [write(tmp_path / "held.jsonl", problem(2)).path]})

    assert run(spec, home)[0].facts["splits"] != run(held, home)[0].facts["splits"]
    assert run(held, home)[1] == "cached"
    write(tmp_path / "held.jsonl", problem(9))
    assert run(held, home)[1] == "ran"
    with pytest.raises(UsageError, match="nowhere"):
        run(spec.model_copy(update={"against": ["nowhere.jsonl"]}), home)


@pytest.mark.parametrize("key", ["a", "AC", "maybe", 1, {"no": "key"}])
def test_an_evaluation_set_keeps_its_texts_out_whatever_its_keys(tmp_path, home, key):
    row = {"question": "Which melts?", "options": {"A": "ice", "B": "iron", "C": "sand"}}
    (tmp_path / "held.jsonl").write_bytes(orjson.dumps({**row, "answer": key}))
    spec = write(tmp_path / "a.jsonl", {**row, "answer": "B"}, {**row, "question": "Which burns?", "answer": "B"})
    receipt, _ = run(spec.model_copy(update={"against": [str(tmp_path / "held.jsonl")]}), home)

    assert receipt.facts["dropped"] == {"in an evaluation set": 1}


def test_rows_of_an_evaluation_set_that_cannot_be_read_are_told_and_a_set_without_any_is_an_error(tmp_path, home):
    spec = write(tmp_path / "a.jsonl", problem(1), problem(2))
    write(tmp_path / "held.jsonl", problem(2), b"{broken")
    receipt, _ = run(spec.model_copy(update={"against": [str(tmp_path / "held.jsonl")]}), home)
    (told,) = [one for one in receipt.facts["warnings"] if one["kind"] == "unread-evaluation"]

    assert (told["count"], told["examples"][0][:37]) == (1, "held.jsonl:2 line: broken JSON: unexp")
    assert "1 rows of the evaluation set held.jsonl could not be read" in told["message"]
    write(tmp_path / "held.jsonl", dict(problem(2), problem=7))
    with pytest.raises(UsageError, match=r"holds no record(?s:.*)held\.jsonl:1 problem: expected text"):
        run(spec.model_copy(update={"against": [str(tmp_path / "held.jsonl")]}), home)


def test_facts_tell_lengths_by_language(tmp_path, home):
    receipt, _ = run(write(tmp_path / "a.jsonl", problem(1, "AB"), dict(problem(2), problem="谁？")), home)

    assert receipt.facts["lengths"]["zh"] == {"questions": 4, "problems": 2, "median": 18, "p95": 26, "longest": 26}


@needs_shared
def test_the_competition_s_folder_is_taken_whole(home):
    spec = ParseSpec(path=str(SHARED))
    receipt, _ = run(spec, home)
    found = {name: receipt.facts[name] for name in ("questions", "answered", "rejected")}

    assert found == {"questions": 1163 + 1323, "answered": 1163, "rejected": 5}
    assert found["questions"] + found["rejected"] == 1163 + 1328
    assert all(len(side) == 1 for side in sides(home, receipt).values())
    assert parse.inspect(SHARED)["rejects"] == warehouse.query(home, "select file, line, field, reason from rejects")
