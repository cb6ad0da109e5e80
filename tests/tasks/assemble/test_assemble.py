"""assemble: which rationales become examples, what is dropped and why, and a snapshot's identity."""

import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import orjson
import polars as pl
import pytest

from prompts import choice
from storage import warehouse
from storage.artifacts import MANIFEST
from storage.home import Home
from storage.records import PonensError, Question, Receipt, Rejected, Split
from storage.tables import card_sql, lineage, questions, snapshots
from tasks.assemble.step import AssembleSpec, step
from tasks.runtime.step import Result, Step, run_step

COLUMNS: dict[str, Any] = {
    **{"question": pl.String, "sample": pl.Int32, "text": pl.String, "answer": pl.String, "extractor": pl.String},
    **{"kept": pl.Boolean, "reason": pl.String, "model": pl.String, "prompt": pl.String, "request": pl.String},
}
Row = dict[str, Any]


def question(number: int, answer: str | None = "A", text: str = "Who?") -> Question:
    return Question(f"Problem {number}.", text, ("Rik", "Mia"), answer, f"p_{number}", "a.jsonl", number)


def told(asked: Question, text: str = "", sample: int = 0, reason: str = "", answer: str | None = None) -> Row:
    """A rationale of a question, kept unless there is a reason against it."""
    return {
        "question": asked.id,
        "sample": sample,
        "text": text or f"Because {asked.problem}\n\nAnswer: {asked.answer}\n",
        "answer": answer or asked.answer,
        "extractor": "answer-line",
        "kept": not reason,
        "reason": reason or None,
        "model": "m",
        "prompt": choice.VERSION,
        "request": f"{asked.id}{sample}",
    }


def split_of(group: str) -> Split:
    """Problems 0 to 5 are for training, 6 and 7 for validation, 8 and 9 for the test."""
    return SIDES[group]


SIDES: dict[str, Split] = {
    question(number).group: "train" if number < 6 else "valid" if number < 8 else "test" for number in range(10)
}


class Kitchen:
    """A home in which parse and reason have left what a test says."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def made(self, name: str, work: Any) -> Receipt:
        return run_step(
            Step(name, ("tasks.runtime.step",), {"what": str(random.random())}, {}, work, shelf=name), self.home
        )[0]

    def parsed(self, *asked: Question | Rejected) -> Receipt:
        def work(shop: Any) -> Result:
            identity, _ = questions.write(shop.folder, asked, split_of)
            return Result({}, identity)

        return self.made("questions", work)

    def reasoned(self, *rows: Row) -> Receipt:
        def work(shop: Any) -> Result:
            pl.DataFrame(list(rows), COLUMNS).write_parquet(shop.folder / "rationales.parquet")
            return Result({})

        return self.made("rationales", work)

    def assembled(self, asked: list[Question], rows: list[Row], **spec: Any) -> Receipt:
        receipts = self.parsed(*asked), self.reasoned(*rows)
        return run_step(step(AssembleSpec(**spec), *receipts), self.home)[0]

    def built(self, recipe: str, count: int, kept: int = 10, **spec: Any) -> Receipt:
        """A snapshot of so many training questions for a recipe; from `kept` on the teacher disagrees."""
        asked = [question(number) for number in range(count)]
        rows = [told(a, reason="disagrees" if number >= kept else "") for number, a in enumerate(asked)]
        receipts = self.parsed(*asked), self.reasoned(*rows)
        return run_step(step(AssembleSpec(**spec), *receipts, recipe=recipe), self.home)[0]

    def rows(self, receipt: Receipt, name: str = "train") -> list[Row]:
        return pl.read_parquet(self.home.root / receipt.artifact / f"{name}.parquet").to_dicts()


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    return Kitchen(Home(tmp_path))


def test_a_snapshot_says_in_its_manifest_and_on_its_card_what_people_corrected(kitchen):
    asked = question(1)
    counts = {"corrected": {"train": 1, "valid": 0, "test": 0}, "ambiguous": {"train": 0, "valid": 1, "test": 0}}
    receipts = replace(kitchen.parsed(asked), facts={"corrections": counts}), kitchen.reasoned(told(asked))
    receipt = run_step(step(AssembleSpec(), *receipts), kitchen.home)[0]
    folder = kitchen.home.root / receipt.artifact

    assert (
        counts == receipt.facts["corrections"] == orjson.loads((folder / MANIFEST).read_bytes())["facts"]["corrections"]
    )
    for name in ("card.md", "card.html"):
        assert "By hand, 1 key is corrected" in (folder / name).read_text()
    assert receipt.artifact == kitchen.assembled([asked], [told(asked)]).artifact


def test_a_kept_rationale_becomes_the_prompt_that_evaluation_asks_and_its_completion(kitchen):
    asked = question(1)
    receipt = kitchen.assembled([asked], [told(asked)])
    [row] = kitchen.rows(receipt)

    assert list(row) == ["id", "question", "group", "split", "prompt", "completion"]
    assert (row["question"], row["group"], row["split"]) == (asked.id, asked.group, "train")
    assert row["prompt"] == [message.dict() for message in choice.solve(asked)]
    assert row["completion"] == [{"role": "assistant", "content": "Because Problem 1.\n\nAnswer: A"}]
    assert receipt.facts == {
        "snapshot": receipt.digest[:16],
        "rows": {"train": 1, "valid": 0},
        "rejected": 0,
        "rejections": {},
        "dropped": {},
        "shuffled": {},
        "prompt": choice.VERSION,
        "question_template": choice.TEMPLATE,
    }


@pytest.mark.parametrize(("text", "line"), [("Who?", "Answer: A"), ("谁？", "答案：A")])
def test_a_bare_snapshot_teaches_the_answer_line_alone(kitchen, text, line):
    asked = question(1, text=text)
    receipt = kitchen.assembled([asked], [told(asked, "one"), told(asked, "two", sample=1)], bare=True)
    [row] = kitchen.rows(receipt)

    assert row["completion"] == [{"role": "assistant", "content": line}]
    assert choice.read(line, asked).answer == "A"
    assert receipt.facts["dropped"] == {"duplicate": 1}


def test_everything_that_is_left_out_is_counted_with_its_reason(kitchen):
    asked = [question(n) for n in range(10)] + [question(5, None, "Why?")]
    rows = [
        told(asked[0]),
        told(asked[0], sample=1),  # the same words again
        told(asked[0], "Otherwise.", sample=2),
        told(asked[1], reason="disagrees"),
        told(asked[2], reason="unreadable"),
        told(asked[2], sample=1, reason="disagrees"),
        told(asked[3], answer="B"),  # says it was kept, but the key is another by now
        told(asked[6]),
        told(asked[8]),  # a test question
        told(question(11)),  # of another source
    ]
    receipt = kitchen.assembled(asked, rows)

    assert receipt.facts["rows"] == {"train": 2, "valid": 1}
    assert receipt.facts["rejected"] == 3
    assert receipt.facts["rejections"] == {"disagrees": 2, "unreadable": 1}
    assert receipt.facts["dropped"] == {
        "disagrees with the key": 1,
        "duplicate": 1,
        "no kept rationale": 5,  # 1, 2, 4, 5 and 7
        "test question": 1,
        "unknown question": 1,
    }
    assert warehouse.query(kitchen.home, "select reason, count(*) as n from drops group by all order by all") == [
        {"reason": reason, "n": n} for reason, n in receipt.facts["dropped"].items()
    ]


def test_every_different_rationale_becomes_an_example(kitchen):
    asked = question(1)
    rows = [told(asked, text, sample) for sample, text in enumerate(["one", "one", "two", "three"])]

    receipt = kitchen.assembled([asked], rows)

    assert {row["completion"][0]["content"] for row in kitchen.rows(receipt)} == {"one", "two", "three"}
    assert receipt.facts["dropped"] == {"duplicate": 1}


def test_a_snapshot_is_the_same_whatever_the_order_its_rationales_came_in(kitchen):
    asked = [question(n) for n in range(8)]
    rows = [told(a, f"Way {sample}. Answer: A", sample) for a in asked for sample in range(3)]
    first = kitchen.assembled(asked, rows)
    random.Random(3).shuffle(rows)
    second = kitchen.assembled(asked[::-1], rows)

    assert first.digest == second.digest
    assert first.artifact == second.artifact
    assert kitchen.assembled(asked, rows[:-9]).digest != first.digest


def test_again_is_cached_and_a_deleted_snapshot_comes_back_byte_for_byte(kitchen):
    asked = [question(n) for n in range(8)]
    receipts = kitchen.parsed(*asked), kitchen.reasoned(*map(told, asked))
    work = step(AssembleSpec(), *receipts)
    first, _ = run_step(work, kitchen.home)
    train = (kitchen.home.root / first.artifact / "train.parquet").read_bytes()

    assert run_step(work, kitchen.home) == (first, "cached")

    shutil.rmtree(kitchen.home.root / first.artifact)
    again, did = run_step(work, kitchen.home)

    assert (did, again.digest) == ("ran", first.digest)
    assert (kitchen.home.root / again.artifact / "train.parquet").read_bytes() == train


def test_no_group_is_on_two_sides_of_the_warehouse(kitchen):
    asked = [question(n, text=text) for n in range(10) for text in ("Who?", "Why?")]
    kitchen.assembled(asked, [told(a) for a in asked])
    torn = 'select "group" from examples group by all having count(distinct split) > 1'

    assert warehouse.query(kitchen.home, torn) == []
    assert warehouse.query(kitchen.home, "select split, count(*) as n from examples group by all order by all") == [
        {"split": "train", "n": 12},
        {"split": "valid", "n": 4},
    ]
    assert warehouse.query(kitchen.home, "select prompt->0->>'role' as role from examples limit 1") == [
        {"role": "user"}
    ]


def test_a_group_on_two_sides_is_refused(kitchen):
    asked = [question(1), question(1, text="Why?")]
    parsed = kitchen.parsed(*asked)
    file = kitchen.home.root / parsed.artifact / "questions.parquet"
    torn = pl.read_parquet(file).with_columns(split=pl.Series(["train", "test"]))
    torn.write_parquet(file)

    with pytest.raises(PonensError, match="two sides"):
        run_step(step(AssembleSpec(), parsed, kitchen.reasoned(*map(told, asked))), kitchen.home)


def test_nothing_to_train_on_is_an_error_that_counts_what_was_lost(kitchen):
    with pytest.raises(PonensError, match=r"disagrees: 1, no kept rationale: 1(.|\n)*ponens sql"):
        kitchen.assembled([question(1)], [told(question(1), reason="disagrees")])


def test_a_rationale_table_that_is_gone_is_named(kitchen):
    rationales = kitchen.reasoned(told(question(1)))
    work = step(AssembleSpec(), kitchen.parsed(question(1)), rationales)
    shutil.rmtree(kitchen.home.root / rationales.artifact)

    with pytest.raises(PonensError, match=r"rationales\.parquet cannot be read"):
        run_step(work, kitchen.home)


def test_a_snapshot_follows_the_last_one_of_its_recipe(kitchen):
    many = kitchen.built("logic", 6)
    other = kitchen.built("other", 6)
    few = kitchen.built("logic", 4)
    back = kitchen.built("logic", 6)

    assert [(e.snapshot, e.parent, e.rows) for e in lineage.entries(kitchen.home, "logic")] == [
        (many.facts["snapshot"], None, 6),
        (few.facts["snapshot"], many.facts["snapshot"], 4),
        (many.facts["snapshot"], few.facts["snapshot"], 6),
    ]
    assert [e.parent for e in lineage.entries(kitchen.home, "other")] == [None]
    assert many.artifact == other.artifact == back.artifact


@pytest.mark.parametrize("order", [(6, 4, 5), (5, 6, 4), (4, 5, 6)])
def test_a_snapshot_is_the_same_whomever_it_follows(kitchen, order):
    made = {number: kitchen.built("logic", number) for number in order}

    assert {number: made[number].digest for number in made} == {n: kitchen.built("alone", n).digest for n in made}


def test_the_same_snapshot_again_is_no_new_one(kitchen):
    for _ in range(3):
        kitchen.built("logic", 5)

    assert len(lineage.entries(kitchen.home, "logic")) == 1


@pytest.mark.parametrize("cached", [False, True])
def test_a_snapshot_that_shrank_is_refused_with_both_counts_and_what_fell_out(kitchen, cached):
    if cached:  # made under another name before: it must be refused although nothing is left to build
        kitchen.built("other", 6, kept=2)
    parent = kitchen.built("logic", 6)
    shelf = kitchen.home.root / "artifacts" / "snapshots"
    before = sorted(shelf.iterdir())

    with pytest.raises(PonensError) as refused:
        kitchen.built("logic", 6, kept=2)

    for words in ("2 rows", parent.facts["snapshot"], "has 6", "disagrees: 4 (was 0)", "at least 50%", "allow_shrink"):
        assert words in str(refused.value)
    assert sorted(shelf.iterdir()) == before
    assert kitchen.built("logic", 6, kept=2, allow_shrink=True).facts["rows"]["train"] == 2
    assert kitchen.built("logic", 6, kept=2).facts["rows"]["train"] == 2  # it is its own predecessor now


def test_the_share_that_is_refused_is_the_recipes_choice(kitchen):
    kitchen.built("logic", 6)
    with pytest.raises(PonensError, match="fewer questions or rationales"):
        kitchen.built("logic", 5, min_share_of_parent=0.9)

    assert kitchen.built("logic", 5, min_share_of_parent=0.8).facts["rows"]["train"] == 5


def options(number: int, answer: str, last: str = "Ada") -> Question:
    return Question(f"Problem {number}.", "Who?", ("Rik", "Mia", "Tom", last), answer, f"p_{number}", "a.jsonl", number)


def test_shuffled_copies_balance_the_keys_and_their_letters_follow(kitchen):
    asked = [options(number, "B") for number in range(6)]
    name = lambda q: q.options["ABCD".index(q.answer)]  # noqa: E731
    rows = [told(q, f"Option {q.answer} is {name(q)}.\nAnswer: {q.answer}") for q in asked]
    receipt = kitchen.assembled(asked, rows, shuffle=3)
    found = [(row["prompt"][0]["content"], row["completion"][0]["content"]) for row in kitchen.rows(receipt)]

    assert receipt.facts["rows"]["train"] == 24
    assert receipt.facts["shuffled"] == {"copies": 18}
    assert [6, 6, 6, 6] == [sum(text.endswith(letter) for _, text in found) for letter in "ABCD"]
    for prompt, text in found:
        letter = text[-1]
        assert f"\n{letter}) Mia\n" in f"{prompt}\n"
        assert text == f"Option {letter} is Mia.\nAnswer: {letter}"


def test_what_is_copied_keeps_its_question_its_group_and_its_side(kitchen):
    asked = [options(number, "B") for number in range(10)]
    receipt = kitchen.assembled(asked, [told(q) for q in asked], shuffle=2)
    examples = kitchen.rows(receipt, "examples")

    assert {"train": {0, 1, 2}, "valid": {0}} == {
        split: {row["shuffle"] for row in examples if row["split"] == split} for split in ("train", "valid")
    }
    assert {(row["question"], row["group"]) for row in examples} <= {(q.id, q.group) for q in asked}
    assert len({row["id"] for row in examples}) == len(examples)
    assert warehouse.query(kitchen.home, "select count(*) as n from examples where shuffle > 0") == [{"n": 12}]


def test_examples_whose_letters_are_not_clear_stay_as_asked_and_are_counted(kitchen):
    asked = [options(0, "B"), options(1, "B", last="None of the above"), options(2, "B")]
    rows = [told(asked[0]), told(asked[1]), told(asked[2], "The second option it is.\nAnswer: B")]
    receipt = kitchen.assembled(asked, rows, shuffle=1)

    assert receipt.facts["rows"]["train"] == 4
    assert receipt.facts["shuffled"] == {
        "copies": 1,
        "options refer to letters or to each other": 1,
        "the rationale's letters are not clear": 1,
    }


def test_a_bare_copy_is_the_answer_line_of_its_own_letters(kitchen):
    receipt = kitchen.assembled(
        [options(0, "B")], [told(options(0, "B"), "Let B be.\nAnswer: B")], bare=True, shuffle=3
    )

    assert {"Answer: A", "Answer: B", "Answer: C", "Answer: D"} == {
        row["completion"][0]["content"] for row in kitchen.rows(receipt)
    }


def test_fewer_copies_are_no_shrinking(kitchen):
    asked = [options(number, "B") for number in range(6)]
    receipts = kitchen.parsed(*asked), kitchen.reasoned(*map(told, asked))
    for copies in (3, 0):
        run_step(step(AssembleSpec(shuffle=copies), *receipts, recipe="logic"), kitchen.home)

    assert [6, 6] == [entry.rows for entry in lineage.entries(kitchen.home, "logic")]


def test_a_snapshot_has_a_card_with_its_sources_licence_leaks_and_losses(kitchen):
    asked = [options(number, "B") for number in range(10)]
    rows = [told(q) for q in asked[:8]] + [told(asked[1], "No.", sample=1, reason="disagrees")]
    reject = Rejected("a.jsonl", 99, "answer", "no such letter")
    receipts = kitchen.parsed(*asked, reject), kitchen.reasoned(*rows)
    spec = AssembleSpec(shuffle=3, license={"a.jsonl": "CC BY 4.0"})
    made, _ = run_step(step(spec, *receipts, recipe="logic", base_model="recipes/demo_base"), kitchen.home)
    card = (kitchen.home.root / made.artifact / "card.md").read_text("utf-8")

    for line in (
        "| train | 24 | 18 | 6 | 6 |",
        "| a.jsonl | CC BY 4.0 | 10 | 10 | 26 |",
        "| problems with examples in several splits | 0 |",
        "| B | 6 (100.0 %) | 6 (25.0 %) |",
        "| parse | no such letter | 1 |",
        "| reason | disagrees | 1 |",
        "tokens of recipes/demo_base",
    ):
        assert line in card
    assert "<title>logic: data card" in (kitchen.home.root / made.artifact / "card.html").read_text("utf-8")


def test_another_licence_renews_the_card_and_not_the_snapshot(kitchen):
    asked = [question(number) for number in range(4)]
    receipts = kitchen.parsed(*asked), kitchen.reasoned(*map(told, asked))
    first, _ = run_step(step(AssembleSpec(), *receipts), kitchen.home)
    card = kitchen.home.root / first.artifact / "card.md"
    before = card.read_text("utf-8")
    second, did = run_step(step(AssembleSpec(license="MIT"), *receipts), kitchen.home)

    assert (did, second.digest, second.artifact) == ("ran", first.digest, first.artifact)
    assert "not stated" in before
    assert "| MIT |" in card.read_text("utf-8")
    assert run_step(step(AssembleSpec(license="MIT"), *receipts), kitchen.home)[1] == "cached"


def test_a_group_on_two_sides_of_the_examples_is_counted_as_a_leak(tmp_path):
    with duckdb.connect() as con:
        con.execute("""
            create table questions as select 'q' as id, 'g' as "group", 'train' as split, 'en' as language,
              ['x', 'y'] as options, 'A' as answer, 'p-1' as source_id, 'f' as file;
            create table examples as
              select s as id, 'q' as question, 'g' as "group", s as split, 0 as shuffle,
                [{'role': 'user', 'content': 'same'}] as prompt, [{'role': 'assistant', 'content': 'x'}] as completion
              from (values ('train'), ('valid'), ('test')) t(s)
        """).fetchall()
        con.execute("update questions set split = 'test'").fetchall()
        found = card_sql.describe(con)["leaks"]

    assert list(found.values()) == [1, 3, 2, 1, 0]


def test_wide_prompts_spill_rather_than_fill_memory(tmp_path, monkeypatch):
    count = 80_000
    monkeypatch.setattr(snapshots, "MEMORY", "100MB")
    ids = [f"{n:016x}" for n in range(count)]
    same = {"problem": "", "question": "", "source_id": "", "file": "f", "line": 1, "split": "train", "answer": "A"}
    rows = pl.DataFrame({"id": ids, "group": ids}).with_columns(**{k: pl.lit(v) for k, v in same.items()})
    rows.with_columns(options=pl.lit(["a", "b"])).write_parquet(tmp_path / "questions.parquet")
    kept = {"sample": 0, "text": "Answer: A", "answer": "A", "kept": True, "reason": None, "request": "r"}
    told_ = pl.DataFrame({"question": ids}).with_columns(**{k: pl.lit(v) for k, v in kept.items()})
    told_.sample(fraction=1, shuffle=True, seed=1).write_parquet(tmp_path / "rationales.parquet")
    wide = [{"role": "user", "content": ""}]

    def rendered():
        for start in range(0, count, 5_000):
            yield [
                {"question": id, "prompt": [wide[0] | {"content": f"{id} " * 40}], "answer": "Answer: A"}
                for id in ids[start : start + 5_000]
            ]

    with snapshots.build(tmp_path / "questions.parquet", tmp_path / "rationales.parquet") as build:
        counts = build.write(tmp_path, rendered(), bare=False)

    assert {"train": count, "valid": 0} == {"valid": 0, **counts.rows}
