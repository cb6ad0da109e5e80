"""assemble for dialogues: what is asked and what is learnt, what is dropped, and that all tools take the snapshot."""

from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from prompts import instruction, sql, statement
from storage import warehouse
from storage.home import Home
from storage.records import PonensError, Receipt
from storage.tables import lineage, snapshot_catalog
from tasks.assemble.export import export
from tasks.assemble.step import AssembleSpec, step, taught
from tasks.kinds.registry import KINDS
from tasks.parse import step as parse
from tasks.parse.step import ParseSpec
from tasks.runtime.step import run_step
from tests.dialogues import ROWS, chat, query
from tests.storage.sources.test_formats import ROWS as FORMATS


def put(file: Path, *rows: Any) -> ParseSpec:
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return ParseSpec(path=str(file), valid=0, test=0)


def made(spec: ParseSpec, home: Home, kind: Any, recipe: str | None = None, **settings: Any) -> Receipt:
    parsed, _ = run_step(parse.step(spec, parse.source(spec), kind=kind), home)
    assembled, _ = run_step(step(AssembleSpec(**settings), parsed, None, kind, recipe=recipe), home)
    return assembled


def train(home: Home, receipt: Receipt) -> list[dict[str, Any]]:
    return pl.read_parquet(home.root / receipt.artifact / "train.parquet").to_dicts()


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.mark.parametrize(
    ("kind", "name", "version"),
    [
        ("sql", "sql", sql.VERSION),
        ("proof", "proofnet", statement.VERSION),
        ("chat", "messages", instruction.VERSION),
        ("instruction", "alpaca", instruction.VERSION),
        ("instruction", "translation", instruction.VERSION),
    ],
)
def test_the_prompt_is_the_houses_and_the_completion_the_rows_answer(tmp_path, home, kind, name, version):
    spec = put(tmp_path / "a.jsonl", FORMATS[name])
    receipt = made(spec, home, kind)
    [row] = train(home, receipt)
    [read] = parse.readers.read(parse.sources.files([Path(str(spec.path))]))

    assert list(row) == ["id", "question", "group", "split", "prompt", "completion"]
    assert row["completion"] == [{"role": "assistant", "content": read.messages[-1].content}]
    asks = {"sql": sql, "proof": statement}.get(kind, instruction).ask(read)
    assert [(m["role"], m["content"]) for m in row["prompt"]] == [(m.role, m.content) for m in asks]
    assert (row["question"], row["group"], row["split"]) == (read.id, read.group, "train")
    assert receipt.facts["prompt"] == version


def test_what_is_not_to_be_learnt_is_marked_and_what_follows_the_last_lesson_is_left_out() -> None:
    found = taught(chat("a", "-b", "c", "d", "e", "-f"), KINDS["chat"].asking)

    assert found is not None
    assert found["answer"] == "d"
    assert [(m["content"], m["train"]) for m in found["prompt"]] == [("a", None), ("b", False), ("c", None)]
    assert taught(chat("a", "-b"), KINDS["chat"].asking) is None


def test_a_dialogue_without_a_lesson_and_one_that_says_nothing_new_are_dropped_with_the_reason(tmp_path, home):
    def turns(*said: str) -> dict[str, Any]:
        return {
            "messages": [
                {"role": m.role, "content": m.content, "train": m.train} for m in chat(*said).messages
            ]
        }  # fmt: skip

    rows = [turns("a", "-b"), turns("c", "d"), turns("c", "d", "e", "-f"), turns("c", "g")]
    receipt = made(put(tmp_path / "a.jsonl", *rows), home, "chat")

    assert receipt.facts["rows"] == {"train": 2, "valid": 0}
    assert receipt.facts["dropped"] == {"duplicate": 1, "no answer to learn": 1}
    reasons = warehouse.query(home, "select reason from drops order by reason")
    assert reasons == [{"reason": "duplicate"}, {"reason": "no answer to learn"}]


def test_a_preference_is_its_chosen_answer_and_the_card_says_so(tmp_path, home):
    preferred = FORMATS["preference"]
    receipt = made(put(tmp_path / "a.jsonl", preferred, FORMATS["messages"]), home, "chat")
    answers = {row["completion"][0]["content"] for row in train(home, receipt)}
    folder = home.root / receipt.artifact

    assert preferred["chosen"] in answers
    assert preferred["rejected"] not in answers
    for name in ("card.md", "card.html"):
        text = (folder / name).read_text("utf-8")
        assert "1 come from preference pairs: the chosen answer is taught" in text
        assert "Keys" not in text
        assert "dialogues" in text


def test_a_card_counts_what_parse_dropped(tmp_path, home):
    row = FORMATS["messages"]
    receipt = made(put(tmp_path / "a.jsonl", row, row, {"messages": []}), home, "chat", license="MIT")
    card = (home.root / receipt.artifact / "card.md").read_text("utf-8")

    assert "| parse | duplicate | 1 |" in card
    assert "| parse | no turn of a user | 1 |" in card
    assert "| a.jsonl | MIT | 1 | 1 | 1 |" in card


@pytest.mark.parametrize("kind", ROWS)
def test_no_group_crosses_splits_of_any_kind_in_the_warehouse(kind, tmp_path, home):
    spec = put(tmp_path / "a.jsonl", *ROWS[kind](60)).model_copy(update={"valid": 0.2, "test": 0.3})
    receipt = made(spec, home, kind)
    crossing = """
        select "group" from (select "group", split from dialogues union all select "group", split from examples)
        group by all having count(distinct split) > 1"""
    test = 'select count(*) as n from examples where "group" in (select "group" from dialogues where split = \'test\')'

    assert warehouse.query(home, crossing) == []
    assert warehouse.query(home, test) == [{"n": 0}]
    assert all(receipt.facts["rows"].values())
    assert {row["split"] for row in warehouse.query(home, "select distinct split from dialogues")} == {
        "train",
        "valid",
        "test",
    }


def test_a_group_on_two_sides_is_refused(tmp_path, home):
    spec = put(tmp_path / "a.jsonl", *ROWS["chat"](1))
    parsed, _ = run_step(parse.step(spec, parse.source(spec), kind="chat"), home)
    file = home.root / parsed.artifact / "dialogues.parquet"
    pl.read_parquet(file).with_columns(split=pl.Series(["train", "train", "test"])).write_parquet(file)

    with pytest.raises(PonensError, match="two sides"):
        run_step(step(AssembleSpec(), parsed, None, "chat"), home)


def test_nothing_on_the_side_of_training_is_an_error_with_the_way_out(tmp_path, home):
    spec = put(tmp_path / "a.jsonl", FORMATS["messages"]).model_copy(update={"test": 1})

    with pytest.raises(PonensError, match=r"no row is on the side of training(.|\n)*salt"):
        made(spec, home, "chat")


def test_snapshots_of_dialogues_follow_each_other_and_may_not_shrink(tmp_path, home):
    rows = ROWS["chat"](4)
    first = made(put(tmp_path / "a.jsonl", *rows), home, "chat", "talk")
    more = made(put(tmp_path / "a.jsonl", *rows, *ROWS["chat"](5)), home, "chat", "talk")

    assert [(e.snapshot, e.parent, e.rows) for e in lineage.entries(home, "talk")] == [
        (first.facts["snapshot"], None, 12),
        (more.facts["snapshot"], first.facts["snapshot"], 15),
    ]
    with pytest.raises(PonensError, match="shrank"):
        made(put(tmp_path / "a.jsonl", *rows[:4]), home, "chat", "talk")


def test_the_same_rows_in_another_order_are_the_same_snapshot(tmp_path, home):
    rows = ROWS["sql"](3)
    first = made(put(tmp_path / "a.jsonl", *rows), home, "sql")

    assert made(put(tmp_path / "a.jsonl", *rows[::-1]), home, "sql").digest == first.digest


def test_a_snapshot_of_dialogues_is_compared_asked_and_exported(tmp_path, home):
    made(put(tmp_path / "a.jsonl", *ROWS["chat"](2)), home, "chat", "talk")
    before = snapshot_catalog.find(home, "talk@latest")
    made(put(tmp_path / "a.jsonl", *ROWS["chat"](3)), home, "chat", "talk")
    after = snapshot_catalog.find(home, "talk@latest")
    found = snapshot_catalog.diff(before, after)
    written = export("talk@latest", "messages", tmp_path / "out", home)
    lines = [orjson.loads(line) for line in (tmp_path / "out" / "train.jsonl").read_bytes().splitlines()]

    assert {name: found[name] for name in ("same", "came", "went")} == {"same": 6, "came": 3, "went": 0}
    assert snapshot_catalog.query(after, "select max(len(prompt)) as turns from train") == [{"turns": 3}]
    assert written["rows"] == {"train": 9, "valid": 0}
    assert {len(line["messages"]) for line in lines} == {2, 4}


def test_another_kind_over_the_same_rows_is_another_step(tmp_path, home):
    spec = put(tmp_path / "a.jsonl", FORMATS["alpaca"])
    as_chat, as_instruction = (parse.step(spec, parse.source(spec), kind=k).key for k in ("chat", "instruction"))

    assert as_chat != as_instruction


def test_a_schema_stands_above_its_question_once() -> None:
    found = taught(query("How many?", "SELECT 1", "CREATE TABLE t (a TEXT)"), KINDS["sql"].asking)

    assert found is not None
    [message] = found["prompt"]
    assert message["content"].startswith("CREATE TABLE t (a TEXT)\n\nHow many?\n\n")
