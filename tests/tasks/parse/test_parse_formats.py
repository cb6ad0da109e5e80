"""`parse` over every kind of record: what is told of it, and which kind of work takes it."""

import orjson
import pytest

from flows.recipe import load
from storage.home import Home
from storage.records import UsageError
from tasks.parse import step as parse
from tasks.parse.step import ParseSpec
from tasks.runtime.step import run_step
from tests.storage.sources.test_formats import ROWS


def put(folder, name, *rows):
    (folder / name).write_bytes(b"".join(row if isinstance(row, bytes) else orjson.dumps(row) + b"\n" for row in rows))
    return folder / name


@pytest.mark.parametrize(
    ("name", "kind", "answered"),
    [("alpaca", "instruction", 1), ("sql", "sql", 1), ("preference", "preference", 1), ("text", "text", 0)],
)
def test_inspect_tells_of_every_kind(tmp_path, name, kind, answered):
    found = parse.inspect(put(tmp_path, "a.jsonl", ROWS[name], b"{broken\n"))

    assert (found["format"], found["kinds"]) == (name, {kind: 1})
    assert (found["groups"], found["questions"], found["answered"], found["rejected"]) == (1, 1, answered, 1)


def test_several_formats_of_a_folder_are_all_named(tmp_path):
    put(tmp_path, "a.jsonl", ROWS["alpaca"])
    put(tmp_path, "b.jsonl", ROWS["competition"])
    put(tmp_path, "c.jsonl", ROWS["alpaca"])
    found = parse.inspect(tmp_path)

    assert found["format"] == "alpaca, competition"
    assert found["kinds"] == {"instruction": 2, "choice": 1}


def test_a_users_columns_are_named_in_the_recipe(tmp_path):
    put(tmp_path, "a.jsonl", {"frage": "Q", "antwort": "A"})
    (tmp_path / "r.toml").write_text(
        'name = "r"\n[parse]\npath = "a.jsonl"\ncolumns = {prompt = "frage", completion = "antwort"}\n'
        '[train]\nbase_model = "org/model"\n'
    )
    spec = load(tmp_path / "r.toml").parse

    assert parse.inspect(str(spec.path), columns=spec.columns)["kinds"] == {"instruction": 1}


def test_a_hubs_name_in_a_recipe_is_no_path_beside_it(tmp_path):
    (tmp_path / "r.toml").write_text(
        'name = "r"\n[parse]\npath = ["hf://org/name", "a.jsonl"]\n[train]\nbase_model = "org/model"\n'
    )

    assert load(tmp_path / "r.toml").parse.path == ["hf://org/name", str(tmp_path / "a.jsonl")]


@pytest.mark.parametrize(
    ("kind", "name", "what", "way"),
    [
        ("choice", "messages", "chat", 'set kind = "chat" in'),
        ("choice", "alpaca", "instruction", 'set kind = "chat" or kind = "instruction" in'),
        ("sql", "competition", "choice", 'set kind = "choice" in'),
        ("chat", "sql", "sql", 'set kind = "sql" in'),
        ("instruction", "proofnet", "statement", 'set kind = "proof" in'),
        ("chat", "text", "text", "plain text has no answer to learn"),
    ],
)
def test_rows_of_another_kind_are_refused_with_the_kind_that_takes_them(tmp_path, kind, name, what, way):
    fine = {"choice": "competition", "sql": "sql", "chat": "messages", "instruction": "alpaca"}[kind]
    spec = ParseSpec(path=str(put(tmp_path, "a.jsonl", ROWS[fine], b"{broken\n")))
    other = ParseSpec(path=[str(spec.path), str(put(tmp_path, "b.jsonl", ROWS[name]))])
    receipt, _ = run_step(parse.step(spec, parse.source(spec), kind=kind), Home(tmp_path / "home"))

    assert (receipt.facts["questions"], receipt.facts["rejected"]) == (1, 1)
    with pytest.raises(UsageError) as refused:
        run_step(parse.step(other, parse.source(other), kind=kind), Home(tmp_path / "home"))
    for words in (f"kind {kind!r}", f"b.jsonl:1 is for {what}", "expected: rows for", way):
        assert words in str(refused.value)


def test_every_multiple_choice_format_can_be_run(tmp_path):
    for name in ("competition", "ar-lsat", "logiqa2", "logic-llm", "folio"):
        put(tmp_path, f"{name}.jsonl", ROWS[name])
    (tmp_path / "text").mkdir()
    put(tmp_path / "text", "logiqa.txt", b"\na\np\nq\nA.w\nB.x\nC.y\nD.z")
    spec = ParseSpec(path=[str(tmp_path), str(tmp_path / "text")])
    receipt, _ = run_step(parse.step(spec, parse.source(spec)), Home(tmp_path / "home"))

    assert (receipt.facts["questions"], receipt.facts["rejected"]) == (6, 0)
