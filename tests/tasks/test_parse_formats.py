"""`parse` over every kind of record: what is told of it, and that a run takes multiple choice alone."""

import orjson
import pytest

from flows.recipe import load
from storage.home import Home
from storage.records import UsageError
from tasks import parse
from tasks.parse import ParseSpec
from tasks.step import run_step
from tests.storage.test_formats import ROWS


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


def test_a_run_refuses_what_is_no_multiple_choice(tmp_path):
    spec = ParseSpec(path=str(put(tmp_path, "a.jsonl", ROWS["competition"], b"{broken\n")))
    receipt, _ = run_step(parse.step(spec, parse.source(spec)), Home(tmp_path / "home"))
    other = ParseSpec(path=[str(spec.path), str(put(tmp_path, "b.jsonl", ROWS["messages"]))])

    assert receipt.facts["kinds"] == {"choice": 1}
    with pytest.raises(UsageError, match=r"trains on multiple choice\n.*b\.jsonl:1 is for chat"):
        run_step(parse.step(other, parse.source(other)), Home(tmp_path / "home"))


def test_every_multiple_choice_format_can_be_run(tmp_path):
    for name in ("competition", "ar-lsat", "logiqa2", "logic-llm", "folio"):
        put(tmp_path, f"{name}.jsonl", ROWS[name])
    (tmp_path / "text").mkdir()
    put(tmp_path / "text", "logiqa.txt", b"\na\np\nq\nA.w\nB.x\nC.y\nD.z")
    spec = ParseSpec(path=[str(tmp_path), str(tmp_path / "text")])
    receipt, _ = run_step(parse.step(spec, parse.source(spec)), Home(tmp_path / "home"))

    assert (receipt.facts["questions"], receipt.facts["rejected"]) == (6, 0)
