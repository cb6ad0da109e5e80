"""Replies to dialogues become scores, votes and files; replies come from a list, all else is real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from evals.scored import GREEDY, Scored
from evals.scorers.assignment import AssignmentScorer
from evals.scorers.base import Score
from evals.scorers.instruction import InstructionScorer
from evals.scorers.sql import SqlScorer
from evals.scorers.statement import StatementScorer
from prompts import instruction
from prompts.turns import Answer
from storage.dialogues import Dialogue, Kind
from storage.home import Home
from storage.records import Message, PonensError
from storage.tables.scores import SCORES
from tasks.evaluate.generation import Decoding, Drawn, Order, Reply, Subject
from tasks.evaluate.judging import JudgeSpec
from tasks.evaluate.pairwise import preferred
from tasks.evaluate.scoring import Contest, chosen
from tasks.runtime.step import Tick, Workshop
from tests.fakes import TeacherServer
from tests.tasks.asking import plant

SCHEMA = "CREATE TABLE singer (name TEXT, age NUMBER)"
SUBJECTS = [Subject("base", "b"), Subject("x/1", "a")]
GREEDY_WRONG = "SELECT name FROM singer WHERE age >= 40"
SAID: Mapping[str, Sequence[str]] = {
    "base": (GREEDY_WRONG, GREEDY_WRONG, "none", GREEDY_WRONG),
    "x/1": (GREEDY_WRONG, GREEDY_WRONG, "SELECT name FROM singer WHERE NOT age <= 40", "SELECT name FROM singer WHERE 40 < age"),
}  # fmt: skip


def dialogue(n: int, answer: str, **more: Any) -> Dialogue:
    return Dialogue((Message("user", f"Question {n}?"), Message("assistant", answer)), split="test", **more)


@dataclass(frozen=True)
class Replies(Order):
    """An order whose replies are known: for each subject the greedy reply, then votes."""

    said: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def draw(self, scratch: Path, shop: Workshop) -> Drawn:
        scratch.mkdir(parents=True)
        found = [
            Reply(subject, ask.id, index, text, "stop", 3, None)
            for subject, texts in self.said.items()
            for ask in self.asks
            for index, text in enumerate(texts[: self.decoding.votes + 1], GREEDY)
        ]
        return Drawn(found, {"votes": self.decoding.votes, "warnings": []})


def contest(
    tmp_path: Path, kind: Kind, dialogues: list[Dialogue], said: Any = SAID, votes: int = 3
) -> tuple[dict[str, Any], pl.DataFrame, list[Tick]]:
    ticks: list[Tick] = []
    order = Replies("fake", {}, SUBJECTS, [], Decoding(votes, 0.7, 1.0, 64, 0), said=said)
    work = Contest(kind, order).work(dialogues, Workshop(tmp_path, Home(tmp_path), ticks.append))
    assert work.facts == orjson.loads((tmp_path / "evaluation.json").read_bytes())
    return work.facts, pl.read_parquet(tmp_path / SCORES), ticks


@pytest.mark.process
def test_sql_is_voted_on_by_result_and_scored_by_execution(tmp_path: Path) -> None:
    gold = "SELECT name FROM singer WHERE age > 40"
    asked = [dialogue(n, gold, task="sql", about={"schema": SCHEMA}) for n in range(8)]
    facts, table, ticks = contest(tmp_path, "sql", asked)

    assert (0.0, 1.0, 3) == (facts["base"]["accuracy"], facts["adapter"]["accuracy"], facts["votes"])
    assert 0.0 == facts["adapter"]["greedy_accuracy"]
    assert ("better", 8, 0) == tuple(facts["paired"][n] for n in ("verdict", "fixed", "broken"))
    assert ("sql", "sql/3", 8) == (facts["scorer"], facts["prompt"], facts["counted"])
    assert 2 * 8 * 4 == table.height
    assert 16 == table["wins"].sum()
    assert {1} == set(table.filter(pl.col("wins") & (pl.col("subject") == "x/1"))["index"])
    assert 8 == ticks[-1].done


def test_with_one_vote_the_greedy_reply_answers(tmp_path: Path) -> None:
    said = {"base": ("yes", "no"), "x/1": ("42", "no")}
    facts, table, _ = contest(
        tmp_path, "instruction", [dialogue(n, "42", task="instruction") for n in range(9)], said, votes=1
    )

    assert (0.0, 1.0, 1) == (facts["base"]["accuracy"], facts["adapter"]["accuracy"], facts["votes"])
    assert {GREEDY} == set(table["index"])
    assert {"exact", "chrf"} == set(facts["adapter"]["measures"])
    assert 0 == facts["work"]["votes"]


def test_a_proof_is_scored_as_a_statement(tmp_path: Path) -> None:
    said = {"base": ("theorem a : y :=",), "x/1": ("```lean\nlemma b : x ≤ y\n```",)}
    asked = [dialogue(n, "theorem a : x <= y :=", task="statement") for n in range(3)]
    facts, _, _ = contest(tmp_path, "proof", asked, said, votes=1)

    assert (0.0, 1.0) == (facts["base"]["accuracy"], facts["adapter"]["accuracy"])
    assert "cannot tell" == facts["paired"]["verdict"]  # three questions cannot show it


def test_an_adapter_that_says_the_same_is_pointed_out(tmp_path: Path) -> None:
    facts, _, _ = contest(
        tmp_path,
        "instruction",
        [dialogue(1, "42", task="instruction")],
        dict.fromkeys(SAID, ("42",)),
        votes=1,
    )

    assert "the very same" in facts["warnings"][0]


def test_references_that_cannot_be_used_stop_the_step(tmp_path: Path) -> None:
    asked = [dialogue(1, "DROP TABLE singer", task="sql", about={"schema": SCHEMA})]

    with pytest.raises(PonensError, match="could be scored"):
        contest(tmp_path, "sql", asked, dict.fromkeys(SAID, ("SELECT 1",)), votes=1)


def test_only_the_test_split_is_asked_in_an_order_of_its_own() -> None:
    asked = [dialogue(n, "x") for n in range(9)]
    train = Dialogue((Message("user", "other"), Message("assistant", "x")))
    said = Dialogue((Message("user", "so"), Message("assistant", "x", train=False)), split="test")

    assert chosen(asked, 4) == chosen([*reversed(asked), train, said], 4)
    assert 9 == len(chosen([*asked, train, said], None))
    with pytest.raises(PonensError, match=r"\[parse\] test"):
        chosen([train], None)


@pytest.mark.process
def test_queries_that_nothing_can_run_are_compared_as_text_up_to_a_verdict(tmp_path: Path) -> None:
    gold = "SELECT School/Club Team FROM 1-10015132-11 WHERE No. = '{n}'"
    schema = {"schema": "table: 1-10015132-11\ncolumns: Player, No., School/Club Team"}
    asked = [dialogue(n, gold.format(n=n), task="sql", about=schema) for n in range(12)]
    said = {"base": ("SELECT Player FROM t",), "x/1": (gold.format(n=3).lower(),)}
    facts, table, _ = contest(tmp_path, "sql", asked, said, votes=1)

    assert (0.0, 1 / 12) == (facts["base"]["accuracy"], facts["adapter"]["accuracy"])
    assert (12, {}, 12) == (facts["counted"], facts["left_out"], facts["sql"]["text"])
    assert {"wrong": 23, "right": 1} == dict(table["outcome"].value_counts().iter_rows())


@pytest.mark.process
def test_a_judge_s_choice_is_the_score_of_both_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    asked = {str(n): dialogue(n, "Rayleigh.") for n in range(3)}
    replies = {"0": ("good", "bad"), "1": ("same", "same"), "2": ("bad", "unclear")}

    def judge(prompt: str, before: int) -> str:
        first, second = prompt.split("--- answer 1 ")[1].split("--- answer 2 ")
        return "verdict-1" if "good" in first else "verdict-2" if "good" in second else "unreadable"

    def side(place: int) -> dict[str, list[Scored]]:
        score = Score("wrong", 0.5, "", {"loss": 2.0})
        return {id: [Scored(id, id, str(place), GREEDY, texts[place], "stop", score)] for id, texts in replies.items()}

    with TeacherServer(judge) as server:
        spec = JudgeSpec(model="m", base_url=server.openai_url)
        shop = Workshop(tmp_path, Home(tmp_path), lambda tick: None)
        found, facts = preferred(spec, {"x/1": (side(0), side(1))}, asked, shop)
    before, after = ({id: of[0].score for id, of in one.items()} for one in found["x/1"])

    assert ("right", 1.0, "wrong", 0.0) == (
        before["0"].outcome,
        before["0"].value,
        after["0"].outcome,
        after["0"].value,
    )
    assert ("tie", 0.5) == (before["1"].outcome, after["1"].value)
    assert "undecided" == before["2"].outcome == after["2"].outcome
    assert {"loss": 2.0} == before["0"].measures
    assert (1, 0, 1, 1) == tuple(facts[name] for name in ("base", "adapter", "tie", "unreadable"))


ONE_BREAKS: Mapping[str, tuple[type, str, dict[str, Any]]] = {
    "sql": (SqlScorer, "SELECT name FROM singer", {"schema": SCHEMA}),
    "proof": (StatementScorer, "theorem a : x = y :=", {}),
    "assignment": (AssignmentScorer, "(1) Ann is a knight", {"names": ["Ann"], "solution": [True]}),
    "instruction": (InstructionScorer, "42", {}),
}


def breaking(scorer: type, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a scorer raise on what says "boom", as a fault in it would."""
    real = getattr(scorer, method)

    def broken(self: Any, said: Any, gold: Any) -> Any:
        if "boom" in str(said):
            raise ValueError("could not convert\nstring to float: 'boom'")
        return real(self, said, gold)

    monkeypatch.setattr(scorer, method, broken)


@pytest.mark.process
@pytest.mark.parametrize("kind", ONE_BREAKS)
def test_one_reply_that_breaks_its_scorer_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    scorer, right, about = ONE_BREAKS[kind]
    breaking(scorer, "score", monkeypatch)
    asked = [dialogue(n, right, task=kind, about=about) for n in range(2)]
    facts, table, _ = contest(tmp_path, kind, asked, {"base": ("SELECT boom",), "x/1": (right,)}, votes=1)

    assert {"error": 2} == facts["base"]["outcomes"]
    assert (0.0, 1.0, 1.0) == (facts["base"]["accuracy"], facts["base"]["unreadable"], facts["adapter"]["accuracy"])
    [reason] = set(table.filter(pl.col("subject") == "base")["reason"])
    assert reason.startswith("ValueError: could not convert string to float: 'boom' (test_scoring.py:")
    assert any("2 of 2 replies of base raised an error" in w and "do not trust" in w for w in facts["warnings"])


def test_a_reply_that_breaks_its_reader_is_an_error_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(reply: str) -> Answer:
        return Answer(reply if reply != "boom" else str(1 // 0))

    monkeypatch.setattr(instruction, "read", broken)
    asked = [dialogue(n, "42", task="instruction") for n in range(2)]
    facts, table, _ = contest(tmp_path, "instruction", asked, {"base": ("boom",), "x/1": ("42",)}, votes=1)

    assert ({"error": 2}, {"right": 2}) == (facts["base"]["outcomes"], facts["adapter"]["outcomes"])
    assert "ZeroDivisionError" in "".join(table["reason"])


def test_where_votes_cannot_be_compared_equal_words_are_one_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(InstructionScorer, "labels", monkeypatch)
    said = {"base": ("7", "7", "7", "7"), "x/1": ("42", "boom", "42", "42")}
    facts, table, _ = contest(tmp_path, "instruction", [dialogue(1, "42", task="instruction")], said)

    assert (0.0, 1.0) == (facts["base"]["accuracy"], facts["adapter"]["accuracy"])
    told = table.filter(pl.col("reason").str.contains("votes counted by their words: ValueError"))
    assert [("x/1", 3)] == told.group_by("subject").len().rows()
