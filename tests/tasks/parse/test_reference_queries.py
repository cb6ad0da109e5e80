"""References of text-to-SQL are tried before anything is paid for."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from evals.scorers.sql import SqlScorer
from flows.chain import chain
from flows.cli import commands
from flows.plan import plan
from flows.recipe import load, validate
from storage.home import Home
from storage.records import Receipt, UsageError
from tasks.parse import reference_queries
from tasks.parse import step as parse
from tasks.runtime.step import Step, run_step
from tests.chains import follow

pytestmark = pytest.mark.process
SCHEMA = "CREATE TABLE singer (name TEXT, age NUMBER, born DATE)"
GOOD = "SELECT name FROM singer WHERE strftime('%Y', born) = '1990'"


def rows(folder: Path, *answers: str, context: str = SCHEMA) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "rows.jsonl"
    asked = [{"question": f"Question {n}?", "context": context, "answer": a} for n, a in enumerate(answers)]
    file.write_bytes(b"\n".join(map(orjson.dumps, asked)))
    return file


def recipe(file: Path, **evaluate: Any) -> Any:
    content = {"name": "sql", "kind": "sql", "parse": {"path": str(file), "test": 1.0, "valid": 0.0}}
    return validate({**content, "evaluate": {"base_model": "nobody/nothing", **evaluate}}, "here")


def test_what_cannot_be_run_is_counted_by_its_reason(tmp_path: Path) -> None:
    file = rows(
        tmp_path, GOOD, "SELECT nowhere FROM singer", "SELECT nobody FROM singer", "SELECT name FROM", "DROP TABLE x"
    )
    found = parse.inspect(file)["references"]

    assert (5, 1, 0, 4) == (found["tried"], found["run"], found["text"], sum(found["cannot"].values()))
    assert 2 == found["cannot"]["invalid: no such column: …"]
    assert "rows.jsonl:2 invalid: no such column: nowhere: SELECT nowhere FROM singer" in found["examples"]
    (warning,) = reference_queries.warnings(found)
    assert warning["message"].startswith("4 of 5 references (80.0 %) cannot be run and count for nothing: 2 invalid")


def test_the_step_tries_them_and_a_plan_tells_what_it_found(tmp_path: Path) -> None:
    chosen, home = recipe(rows(tmp_path / "data", GOOD, "SELECT nowhere FROM singer")), Home(tmp_path / "home")
    step = parse.step(chosen.parsing, parse.source(chosen.parse), kind="sql", sql=chosen.evaluating)
    receipt, _ = run_step(step, home)
    (planned, *_) = plan(chosen, home)

    assert {"tried": 2, "run": 1, "text": 0, "cannot": {"invalid: no such column: …": 1}} == {
        name: value for name, value in receipt.facts["references"].items() if name != "examples"
    }
    assert "references" in {warning["kind"] for warning in receipt.facts["warnings"]}
    assert planned.receipt is not None
    assert receipt.facts["references"] == planned.receipt.facts["references"]


def test_a_plan_says_how_references_will_be_tried_and_then_what_came_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, home = rows(tmp_path / "data", GOOD, "SELECT nowhere FROM singer"), Home(tmp_path / "home")
    written = tmp_path / "sql.toml"
    written.write_text(
        f"name = 'sql'\nkind = 'sql'\n[parse]\npath = '{file}'\ntest = 1.0\nvalid = 0.0\n"
        "[evaluate]\nbase_model = 'nobody/nothing'\n"
    )
    monkeypatch.setenv("PONENS_HOME", str(home.root))

    commands.plan(written, [], [], json=False)
    before = " ".join(capsys.readouterr().out.split())
    chosen = load(written)
    run_step(parse.step(chosen.parsing, parse.source(chosen.parse), kind="sql", sql=chosen.evaluating), home)
    commands.plan(written, [], [], json=False)
    after = " ".join(capsys.readouterr().out.split())

    assert "parse will run the test split's references, 2,000 of them at most, once each by SQLite" in before
    assert "1 of 2 references that were tried can be run" in after
    assert "1 of 2 references (50.0 %) cannot be run and count for nothing: 1 invalid: no such column: …" in after


def test_a_reference_that_breaks_the_scorer_is_one_that_cannot_be_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def boom(self: SqlScorer, gold: object) -> str:
        raise RecursionError("too deep")

    monkeypatch.setattr(SqlScorer, "unusable", boom)
    found = parse.inspect(rows(tmp_path, GOOD))["references"]

    assert (1, 0) == (found["tried"], found["run"])
    assert next(iter(found["cannot"])).startswith("error: RecursionError")


def test_where_none_can_be_run_the_chain_ends_before_anything_is_asked_or_loaded(tmp_path: Path) -> None:
    chosen = recipe(rows(tmp_path / "data", "SELECT nowhere FROM singer", "SELECT age::int FROM singer"))
    done: list[str] = []

    def do(step: Step) -> Receipt:
        done.append(step.name)
        return run_step(step, Home(tmp_path / "home"))[0]

    with pytest.raises(UsageError, match="none of 2 references"):
        follow(chain(chosen, tmp_path / "home"), do)
    assert ["parse"] == done


def test_another_dialect_tries_them_by_its_own_rules(tmp_path: Path) -> None:
    file = rows(tmp_path / "data", "SELECT age::int FROM singer", "SELECT name FROM singer WHERE name ILIKE 'a%'")
    tried = {}
    for dialect in ("sqlite", "duckdb"):
        chosen = recipe(file, dialect=dialect)
        step = parse.step(chosen.parsing, parse.source(chosen.parse), kind="sql", sql=chosen.evaluating)
        tried[dialect] = run_step(step, Home(tmp_path / "home"))[0].facts["references"]["run"]

    assert {"sqlite": 0, "duckdb": 2} == tried


def test_rows_without_a_schema_are_compared_as_text_and_it_is_said(tmp_path: Path) -> None:
    text = "table: 1-10015132-11\ncolumns: Player, No.\nQ: Who wears 21?\nA: SELECT Player FROM 1-10015132-11 WHERE No. = '21'"
    (tmp_path / "rows.jsonl").write_bytes(orjson.dumps({"text": text}))
    found = parse.inspect(tmp_path / "rows.jsonl")

    assert (1, 0, 1) == tuple(found["references"][name] for name in ("tried", "run", "text"))
    assert "compared as text" in reference_queries.warnings(found["references"])[0]["message"]
    reference_queries.require(found["references"])


def test_other_kinds_of_work_try_nothing(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(orjson.dumps({"instruction": "Add 1 and 1.", "input": "", "output": "2"}))

    assert "references" not in parse.inspect(tmp_path / "rows.jsonl")
