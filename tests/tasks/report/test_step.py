"""report: what it gathers from the artifacts that receipts name."""

import json
from pathlib import Path
from typing import Any

import pytest

from evals.report.page import page
from evals.report.rationales import Tally
from storage.home import Home
from storage.records import Ballot, Question, Receipt, Sample
from storage.tables import doubted_keys, questions
from storage.tables.samples import write_tables
from tasks.report.gather import gather
from tests.evals.sample_rationales import told_of
from tests.evals.sample_report import questions as puzzles
from tests.evals.sample_report import sample_facts

RECIPE = json.dumps({"name": "demo", "parse": {"path": "puzzles.jsonl"}, "train": {"base_model": "toy"}})


def receipt(step: str, **facts: Any) -> Receipt:
    inputs = {"source": "s", "base_model": "b"}
    return Receipt(step, f"{step}-key", f"{step}-digest", step, facts, {"inputs": inputs, "code": "c"}, 1.0, "")


def left_by(home: Path, asked: list[Question], told: Tally) -> dict[str, Receipt]:
    """Artifacts and receipts as a run leaves them, as far as a report reads them."""
    for name in ("parse", "reason", "evaluate"):
        (home / name).mkdir()
    questions.write(home / "parse", asked, lambda group: "test")
    doubted_keys.write(home / "reason", told.suspects())
    one, sides = asked[0], ("base", "logic/1")
    sample = [Sample(one.id, "", index, "Answer: A", "stop", 3, "A", "answer-line") for index in (-1, 0)]
    ballot = {one.id: Ballot(one.id, one.group, one.answer, ("A",), "A", {"A": 1})}
    said = {side: [Sample(s.question, side, *_rest(s)) for s in sample] for side in sides}
    write_tables(home / "evaluate", said, dict.fromkeys(sides, ballot))
    total = {"tokens": {"in": 10, "out": 20}, "estimated": 0, "cost": None}
    reason = {"teacher": "openai", "model": "m", "requests": 4, "from_ledger": 0, "rejected": {}, "total": total}
    receipts = (
        receipt("parse"),
        receipt("reason", rationales=told.facts(), **reason),
        receipt("assemble", snapshot="s", dropped={}),
        receipt("train", parameters=1000, truncated=0, loss=[]),
        receipt("evaluate", **sample_facts(40)["evaluation"]),
    )
    return {r.step: r for r in receipts}


def _rest(sample: Sample) -> tuple[Any, ...]:
    return sample.index, sample.text, sample.finish, sample.tokens, sample.answer, sample.extractor


@pytest.fixture
def asked() -> list[Question]:
    return [question for question, _ in puzzles(120)]


def test_the_strongest_suspects_of_the_rationales_stand_in_the_report(tmp_path: Path, asked: list[Question]) -> None:
    told = told_of(asked, skill=0.95, wrong_keys=11)
    found = told.suspects()

    facts = gather(Home(tmp_path), 20_000_000, RECIPE, left_by(tmp_path, asked, told))

    assert len(found) > 10
    assert found[:10] == facts["suspects"]
    assert told.facts() == facts["rationales"]
    assert f"And {len(found) - 10} more" in page(facts)


def test_counts_of_rationales_have_their_own_place_and_fill_no_column(tmp_path: Path, asked: list[Question]) -> None:
    facts = gather(Home(tmp_path), 20_000_000, RECIPE, left_by(tmp_path, asked, told_of(asked)))

    assert "rationales" not in next(s for s in facts["steps"] if s["name"] == "reason")["facts"]


def test_an_artifact_without_suspects_makes_a_report_without_them(tmp_path: Path, asked: list[Question]) -> None:
    receipts = left_by(tmp_path, asked, told_of(asked, samples=1))
    (tmp_path / "reason" / doubted_keys.SUSPECTS).unlink()

    facts = gather(Home(tmp_path), 20_000_000, RECIPE, receipts)

    assert [] == facts["suspects"]
    assert "no suspect can be told" in page(facts)


def test_a_comparison_of_adapters_that_are_there_needs_no_training_and_shows_each_subject_s_vote(
    tmp_path: Path, asked: list[Question]
) -> None:
    receipts = left_by(tmp_path, asked, told_of(asked))
    one, together = asked[0], "vote of logic/1+logic/2"
    emoji = "😀 so it is.\nAnswer: A"
    said = {
        name: [Sample(one.id, name, index, emoji, "stop", 3, "A", "answer-line") for index in (-1, 0)]
        for name in ("base", "logic/1", "logic/2")
    }
    cast = {"base": "B", "logic/1": "A", "logic/2": "C", together: "D"}
    ballots = {name: {one.id: Ballot(one.id, one.group, "A", (vote,), vote)} for name, vote in cast.items()}
    write_tables(tmp_path / "evaluate", said, ballots)
    (tmp_path / "adapters" / "logic" / "1").mkdir(parents=True)
    (tmp_path / "adapters" / "logic" / "1" / "adapter.json").write_text('{"facts": {"parameters": 20000000}}')
    told = sample_facts(40, several=True)["evaluation"]
    others = dict(zip(["logic/2", together], told["others"].values(), strict=False))
    digests = {"base_model": "b", "adapter": "d1", "adapter logic/2": "d2"}
    evaluate = Receipt(
        "evaluate", "k", "d", "evaluate", {**told, "others": others}, {"inputs": digests, "code": "c"}, 1.0, ""
    )

    facts = gather(Home(tmp_path), 20_000_000, RECIPE, {"parse": receipts["parse"], "evaluate": evaluate})
    [row] = facts["questions"]

    assert ("B", "A", "C", "D") == (
        row["base"]["winner"], row["adapter"]["winner"], *(other["winner"] for other in row["others"].values())
    )  # fmt: skip
    assert "fixed" == row["change"]
    assert "Answer: A" == emoji[slice(*row["others"]["logic/2"]["at"][0])]
    assert ([], "") == (row["others"][together]["texts"], row["others"][together]["greedy_extractor"])
    assert (None, None, None, []) == (facts["rationales"], facts["training"], facts["costs"], facts["suspects"])
    assert not facts["toy"]
    assert "ponens evaluate recipe.json --adapter logic/1 --adapter logic/2" == facts["command"]
    assert {"adapters/logic/1": "d1", "adapters/logic/2": "d2"} == {
        origin["name"]: origin["digest"] for origin in facts["lineage"] if origin["what"] == "adapter"
    }
    assert "all together" in page(facts)
