"""ponens init: a file in, a commented recipe out that `ponens plan` takes; nothing is asked, nothing is overwritten."""

import csv
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from flows.cli import app as cli
from flows.recipe import load
from storage.home import Home
from storage.shared_locks import turn

_SCHEMA = "CREATE TABLE t{0} (name TEXT, age INTEGER)"
KINDS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "sheet": (
        "choice",
        [
            {"stem": f"What is {n} + {n}?", "a": f"{2 * n}", "b": f"{2 * n + 1}", "c": "none", "key": "a"}
            for n in range(60)
        ],
    ),
    "arc": (
        "choice",
        [
            {"question": f"Which is {n}?", "choices": {"text": [f"{n}", "x"], "label": ["A", "B"]}, "answerKey": "A"}
            for n in range(50)
        ],
    ),
    "queries": (
        "sql",
        [
            {"question": f"How old is {n}?", "context": _SCHEMA.format(n), "answer": f"SELECT age FROM t{n}"}
            for n in range(50)
        ],
    ),
    "statements": (
        "proof",
        [
            {
                "id": f"Book|ex_{n}",
                "nl_statement": f"Show that {n} is a number.",
                "nl_proof": "Clear.",
                "formal_statement": f"theorem ex_{n} : {n} = {n} :=",
                "src_header": "import Mathlib",
            }
            for n in range(50)
        ],
    ),
    "chats": (
        "chat",
        [
            {"messages": [{"role": r, "content": f"{r} {n} {m}"} for m in range(2) for r in ("user", "assistant")]}
            for n in range(50)
        ],
    ),
    "alpaca": ("instruction", [{"instruction": f"Say {n}.", "input": "", "output": f"It is {n}."} for n in range(50)]),
    "Frage & Antwort": ("instruction", [{"frage": f"Was ist {n}?", "antwort": f"Das ist {n}."} for n in range(50)]),
}
PAIRS = [{"prompt": f"Say {n}.", "chosen": f"It is {n}.", "rejected": "No."} for n in range(50)]
TEXTS = [{"text": f"A text of many words that goes on for a while, number {n}."} for n in range(50)]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("PONENS_HOME", "PREFECT_API_URL", "OPENAI_API_KEY", "DASHSCOPE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    return tmp_path


def wrote(file: str, rows: list[dict[str, Any]]) -> str:
    Path(file).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = cli._exit_code(list(words))
    found = capsys.readouterr()
    return code, found.out + found.err


@pytest.mark.parametrize("name", KINDS)
def test_a_recipe_is_written_for_each_kind_of_work_and_a_plan_takes_it(
    name: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, rows = KINDS[name]
    code, text = said(capsys, "init", wrote(f"{name}.jsonl", rows))
    [file] = here.glob("*.toml")
    recipe = load(file)

    assert 0 == code, text
    assert kind == recipe.kind
    assert (0, True) == ((planned := said(capsys, "plan", file.name))[0], "will run parse" in planned[1]), planned
    assert [f"ponens plan {file.name}", f"ponens run {file.name}"] == [
        text.split("next:")[1].split("\n")[n].strip() for n in (1, 3)
    ]
    assert all("#" in line for line in file.read_text().splitlines() if line.startswith(("kind", "base_model", "test")))
    assert recipe.training.base_model.startswith("Qwen/Qwen2.5-")


def test_the_mapping_that_a_suggestion_finds_stands_in_the_recipe(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "init", wrote("Frage & Antwort.jsonl", KINDS["Frage & Antwort"][1]), "--name", "fragen")
    written = tomllib.loads(Path("fragen.toml").read_text())

    assert {"prompt": "frage", "completion": "antwort"} == written["parse"]["columns"]
    assert "Frage & Antwort.jsonl" == written["parse"]["path"]


def test_a_sheet_is_parsed_by_its_recipe_as_init_saw_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Path("quiz.csv").open("w", newline="") as file:
        sheet = csv.DictWriter(file, ["stem", "a", "b", "c", "key"])
        sheet.writeheader()
        sheet.writerows(KINDS["sheet"][1])
    facts = json.loads(said(capsys, "init", "quiz.csv", "--json")[1])
    code, text = said(capsys, "reason", "quiz.toml", "--estimate", "--json")

    assert ("choice", 60, 0) == (facts["kind"], facts["rows"], facts["rejected"])
    assert (0, facts["cost"]) == (code, pytest.approx(json.loads(text.splitlines()[0])["at_most"]["cost"], rel=0.1))
    assert facts["cost"] < load(Path("quiz.toml")).reason.max_cost


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (PAIRS, ("50 rows for preference", "--kind chat", "[tune]")),
        (TEXTS, ("rows for text", "plain text")),
        ([{k: v for k, v in row.items() if k != "answerKey"} for row in KINDS["arc"][1]], ("no question", "key")),
    ],
    ids=["preference", "text", "unkeyed"],
)
def test_what_no_recipe_can_be_made_of_is_refused_with_its_word(
    rows: list[dict[str, Any]], words: tuple[str, ...], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = said(capsys, "init", wrote("rows.jsonl", rows))

    assert 2 == code, text
    assert [] == [word for word in words if word not in text], text
    assert [] == list(here.glob("*.toml"))


def test_a_folder_of_rows_of_several_kinds_is_refused_with_their_counts(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("rows").mkdir()
    for name in ("alpaca", "arc"):
        wrote(f"rows/{name}.jsonl", KINDS[name][1])
    code, text = said(capsys, "init", "rows")

    assert (2, True) == (code, "50 rows for instruction, 50 rows for choice" in text), text


def test_preferences_are_drafted_where_a_person_names_the_kind_and_what_is_not_learnt_is_told(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = said(capsys, "init", wrote("pairs.jsonl", PAIRS), "--kind", "chat")

    assert (0, "chat") == (code, load(Path("pairs.toml")).kind)
    for told in (text, Path("pairs.toml").read_text()):
        assert "the better answer is learnt; [tune]" in told


def test_a_recipe_that_is_there_is_not_overwritten(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("alpaca.toml").write_text("mine")
    code, text = said(capsys, "init", wrote("alpaca.jsonl", KINDS["alpaca"][1]))

    assert (2, "mine") == (code, Path("alpaca.toml").read_text())
    assert "is there already" in text and "--name" in text


def test_rejected_rows_and_few_groups_are_told_in_the_recipe(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [*KINDS["alpaca"][1][:9], {"instruction": "Say it.", "input": "", "output": ""}]
    text = said(capsys, "init", wrote("rows.jsonl", rows))[1]

    for told in (text, Path("rows.toml").read_text()):
        assert "1 rows are rejected, such as rows.jsonl:10 output" in told
        assert "9 groups are few" in told


def a_run(id: str, recipe: str, outcome: str | None = "done", log: str = "") -> Path:
    folder = Home(Path.cwd() / ".ponens").run(id)
    folder.mkdir(parents=True)
    (folder / "recipe.json").write_text(json.dumps({"name": recipe}))
    if outcome:
        (folder / "outcome.json").write_text(json.dumps({"outcome": outcome, "recipe": recipe, "error": "why so"}))
    (folder / "log.txt").write_text(log)
    return folder


def test_a_killed_run_is_listed_shown_and_read_as_what_it_is(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a_run("20260101-000000-aaaa", "a", "failed", "12:00:00 INFO    train: begins\n")
    a_run("20260102-000000-bbbb", "b", None)
    rows = json.loads(said(capsys, "runs", "list", "--json")[1])["runs"]

    assert ["failed", "killed"] == [row["outcome"] for row in rows]
    assert "why so" in said(capsys, "runs", "show", "a@latest")[1]
    assert "killed" in said(capsys, "runs", "show", "20260102")[1]
    assert "12:00:00 INFO    train: begins\n" == said(capsys, "runs", "logs", "a@latest")[1]
    assert 2 == said(capsys, "runs", "logs", "2026")[0], "two begin so"


def test_a_run_is_removed_but_not_under_a_process_that_works_on_it(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone, busy = a_run("20260101-000000-aaaa", "a"), a_run("20260102-000000-bbbb", "b", None)
    with turn(busy / "recipe.json", shared=False, wait_s=0):
        refused = said(capsys, "runs", "rm", "b@latest")
    removed = said(capsys, "runs", "rm", "20260101", "--json")

    assert (2, True) == (refused[0], "is under way" in refused[1])
    assert {"removed": [gone.name]} == json.loads(removed[1])
    assert (False, True) == (gone.exists(), busy.exists())
    assert [] == list(Path(".ponens").glob("trash-*"))


@pytest.mark.parametrize("word", ["version", "help"])
def test_a_switch_that_is_asked_for_as_a_command_is_named(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said(capsys, word)

    assert (2, True, False) == (code, f"ponens --{word}" in text, "reason" in text)
