"""Preferences: right against wrong replies to training questions, near in length, no test question ever."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from prompts import choice
from storage import warehouse
from storage.artifacts import publish
from storage.dialogues import Preference as SourcePreference
from storage.home import Home
from storage.records import Message, PonensError, Question, Receipt, Sample
from storage.tables import dialogue_files, lineage, preferences, questions
from storage.tables.preferences import Preference
from storage.tables.samples import write_tables
from tasks.prefer.pairs import Replies, Reply, pair, right, unpaired
from tasks.prefer.spec import PreferSpec
from tasks.prefer.step import step
from tasks.reason.rationales import SCHEMA
from tasks.runtime.step import run_step

SPLITS = {"train": 3, "valid": 1, "test": 2}
ASKED = [
    Question(
        f"Problem {split} {n}: a lamp is on.",
        f"Which lamp, {n}?",
        ("red", "green", "blue"),
        "B",
        f"{split}-{n}",
        split=split,
    )  # type: ignore[arg-type]
    for split, count in SPLITS.items()
    for n in range(count)
]


def texts(*lengths: int) -> list[Reply]:
    return [Reply(chr(97 + n) * length, "votes") for n, length in enumerate(lengths)]


def test_replies_of_the_nearest_lengths_are_paired_each_in_one_pair() -> None:
    found = pair(texts(100, 40), texts(42, 90, 41), most=2, ratio=1.5)

    assert [(40, 41), (100, 90)] == sorted((len(p.chosen.text), len(p.rejected.text)) for p in found)


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, 0), (1.99, 0), (2.0, 1)])
def test_a_pair_whose_lengths_lie_too_far_apart_is_none(ratio: float, expected: int) -> None:
    assert expected == len(pair(texts(100), texts(50), most=4, ratio=ratio))


def test_the_order_of_replies_changes_no_pair() -> None:
    right, wrong = texts(10, 10, 10), texts(10, 10)

    assert pair(right, wrong, 2, 2.0) == pair(right[::-1], wrong[::-1], 2, 2.0)
    assert unpaired(right, 2) == unpaired(right[::-1], 2)


def test_what_could_not_be_read_is_neither_right_nor_wrong_and_a_reply_counts_once() -> None:
    replies = Replies()
    for text, outcome in (("a", True), ("a ", True), ("b", False), ("c", None), ("", True)):
        replies.add(text, "votes", outcome)

    assert (["a"], ["b"], 2) == ([r.text for r in replies.right], [r.text for r in replies.wrong], replies.unreadable)


def put(home: Home, shelf: str, fill: Any, **facts: Any) -> Receipt:
    folder = home.work(shelf, "k")
    folder.mkdir(parents=True)
    fill(folder)
    made = publish(folder, shelf, home, about={"facts": facts, "made_at": "2026-01-01"})
    return Receipt(shelf, "k", made.digest, made.artifact, facts, {}, 0.0, "")


def parsed(home: Home) -> Receipt:
    by_group = {q.group: q.split for q in ASKED}
    return put(home, "questions", lambda folder: questions.write(folder, ASKED, by_group.__getitem__))


def rationales(home: Home, *rows: tuple[Question, str, str | None]) -> Receipt:
    """Rows of question, text and why it was not kept, in the order of the questions."""

    def fill(folder: Path) -> None:
        found = [
            {**dict.fromkeys(SCHEMA), "question": q.id, "text": text, "kept": why is None, "reason": why}
            for q, text, why in sorted(rows, key=lambda row: ASKED.index(row[0]))
        ]
        pl.DataFrame(found, SCHEMA).write_parquet(folder / "rationales.parquet")

    return put(home, "rationales", fill)


def sampled(home: Home, *rows: tuple[Question, str, str | None, str]) -> Receipt:
    """Rows of question, text, answer and finish."""
    said = [Sample(q.id, "demo/1", n, text, finish, 9, answer) for n, (q, text, answer, finish) in enumerate(rows)]
    return put(home, "samples", lambda folder: write_tables(folder, {"demo/1": said}, {}))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def all_of(home: Home, *, paired: bool = True, **settings: Any) -> tuple[Receipt, list[dict[str, Any]]]:
    """Preferences where there are rationales and votes on every question, on test questions too."""
    votes = [
        (q, f"{side} vote {n} on {q.source_id}", {"right": "B", "wrong": "C"}[side], "stop")
        for q in ASKED
        for side in ("right", "wrong")
        for n in range(2)
    ]
    votes += [(ASKED[0], "said nothing", None, "stop"), (ASKED[0], "was cut", "B", "length")]
    told = [
        (q, f"{text} rationale on {q.source_id}", why)
        for q in ASKED
        for text, why in (("right", None), ("wrong", "disagrees"), ("right other", "near-copy"), ("lost", "truncated"))
    ]
    made = step(
        PreferSpec(**{"most": 3, **settings}),
        parsed(home),
        rationales(home, *told),
        sampled(home, *votes),
        "choice",
        recipe="demo",
        paired=paired,
    )
    receipt, _ = run_step(made, home)
    return receipt, preferences.read(home.root / receipt.artifact / "preferences.parquet")


def said(row: dict[str, Any], side: str) -> str:
    (message,) = row[side]
    assert "assistant" == message["role"]
    return str(message["content"])


def test_right_and_wrong_of_one_question_are_paired_from_the_ledger_and_from_votes(home: Home) -> None:
    receipt, rows = all_of(home)

    assert {"train": 9, "valid": 3} == receipt.facts["rows"]
    assert {"ledger", "votes"} <= {part for source in receipt.facts["sources"] for part in source.split("+")}
    assert [True] * 12 == ["right" in said(row, "chosen") and "wrong" in said(row, "rejected") for row in rows]
    by_id = {q.id: q for q in ASKED}
    assert [[m.dict() for m in choice.solve(by_id[row["question"]])] for row in rows] == [row["prompt"] for row in rows]


def test_what_is_unreadable_or_cut_is_counted_and_in_no_pair(home: Home) -> None:
    receipt, rows = all_of(home, most=64)

    # a truncated rationale of each of four questions, and two votes
    assert 6 == receipt.facts["unreadable"]
    assert [] == [row for row in rows if said(row, "rejected").startswith(("lost", "said", "was"))]


def test_no_test_question_is_in_it_which_sql_over_the_warehouse_says_too(home: Home) -> None:
    receipt, rows = all_of(home)
    tests = {q.id for q in ASKED if q.split == "test"}

    assert len(rows) == 12
    assert not tests & {row["question"] for row in rows}
    found = warehouse.query(
        home,
        "select count(*) as n, count_if(split = 'test') as test, list(distinct question) as asked from preferences",
    )
    assert [(12, 0)] == [(row["n"], row["test"]) for row in found]
    assert not tests & set(found[0]["asked"])
    card = duckdb.sql(f"select leaks from read_json('{home.root / receipt.artifact / 'card.json'}')").fetchall()[0][0]
    assert {0} == set(card.values())
    assert "Checked by SQL" in (home.root / receipt.artifact / "card.md").read_text()


@pytest.mark.parametrize(
    ("split", "group", "seen"),
    [("test", None, "preferences of test questions: 1"), ("train", "test", "preferences of test groups: 1")],
)
def test_a_test_question_that_came_in_by_any_way_ends_the_step(
    home: Home, tmp_path: Path, split: str, group: str | None, seen: str
) -> None:
    asked = next(q for q in ASKED if q.split == split)
    of = next(q for q in ASKED if q.split == (group or split))
    row = Preference(asked.id, of.group, "train", "votes", (Message("user", "?"),), "yes", "no")
    preferences.write(tmp_path, [row], [])

    with pytest.raises(PonensError, match=seen):
        preferences.check(tmp_path, home.root / parsed(home).artifact / "questions.parquet")


def test_unpaired_each_reply_stands_by_itself_with_the_side_that_it_is_on(home: Home) -> None:
    receipt, rows = all_of(home, paired=False, most=64)

    assert not receipt.facts["paired"]
    assert {(True, False), (False, True)} == {(row["chosen"] is None, row["rejected"] is None) for row in rows}
    # four right and three wrong of each of four questions
    assert (16, 12) == (
        sum(row["chosen"] is not None for row in rows),
        sum(row["rejected"] is not None for row in rows),
    )


def test_what_became_no_pair_is_counted_by_its_reason(home: Home) -> None:
    first, second, third, valid = (q for q in ASKED if q.split != "test")
    votes = [
        (first, "right", "B", "stop"),
        (second, "wrong", "A", "stop"),
        (third, "right", "B", "stop"),
        (third, "wrong, and goes on and on", "A", "stop"),
        (valid, "right", "B", "stop"),
        (valid, "wrong", "A", "stop"),
    ]
    made = step(PreferSpec(), parsed(home), None, sampled(home, *votes), "choice", recipe="demo")

    with pytest.raises(PonensError, match="lengths too far apart: 1, no right reply: 1, no wrong reply: 1"):
        run_step(made, home)


def test_lengths_of_both_sides_are_told(home: Home) -> None:
    asked = ASKED[0]
    votes = [(asked, "right!", "B", "stop"), (asked, "wrong", "A", "stop")]
    receipt, _ = run_step(step(PreferSpec(), parsed(home), None, sampled(home, *votes), "choice", recipe="demo"), home)

    assert {
        "chosen_mean": 6.0, "rejected_mean": 5.0, "chosen_longer": 1, "rejected_longer": 0
    } == receipt.facts["lengths"]  # fmt: skip


def test_a_source_s_own_pairs_are_taken_as_they_are(home: Home) -> None:
    prompts = [f"Say something kind, {n}." for n in range(4)]
    rows = [
        SourcePreference((Message("user", asked),), f"yes {n}", f"no {n}{'!' * 9 * (n == 2)}").preferred()
        for n, asked in enumerate(prompts)
    ]
    test = rows[3].group
    records = put(
        home,
        "dialogues",
        lambda folder: dialogue_files.write(folder, rows, lambda group: "test" if group == test else "train"),
    )

    receipt, _ = run_step(step(PreferSpec(), records, None, None, "chat", recipe="demo"), home)

    found = preferences.read(home.root / receipt.artifact / "train.parquet")
    assert [("yes 0", "no 0"), ("yes 1", "no 1")] == sorted((said(r, "chosen"), said(r, "rejected")) for r in found)
    assert {"lengths too far apart": 1} == receipt.facts["dropped"]


def test_the_same_rows_are_the_same_artifact_and_follow_one_another_in_a_lineage_of_their_own(home: Home) -> None:
    one, _ = all_of(home)
    again, _ = all_of(Home(home.root.parent / "other"))
    fewer, _ = run_step(
        step(PreferSpec(), parsed(Home(home.root)), None, sampled_again(home), "choice", recipe="demo"), home
    )

    assert one.digest == again.digest
    entries = lineage.entries(home, "demo@preferences")
    assert [one.facts["preferences"], fewer.facts["preferences"]] == [entry.snapshot for entry in entries]
    assert [None, one.facts["preferences"]] == [entry.parent for entry in entries]


def sampled_again(home: Home) -> Receipt:
    return sampled(home, (ASKED[0], "right", "B", "stop"), (ASKED[0], "wrong", "A", "stop"))


def test_options_of_equal_text_are_one_answer() -> None:
    twice = replace(ASKED[0], options=("red", "green", "green"), answer="C")

    assert (True, True, False, None, None) == (
        right(twice, "B", "stop"),
        right(twice, "C", "stop"),
        right(twice, "A", "stop"),
        right(twice, None, "stop"),
        right(twice, "C", "length"),
    )
