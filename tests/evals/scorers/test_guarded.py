"""Replies that break a reader or a scorer, that were cut, and that gave more than one answer."""

from dataclasses import dataclass

import pytest

from evals.scorers.base import Score
from evals.scorers.guarded import labels, scored
from evals.scorers.instruction import InstructionScorer
from prompts import instruction, sql, statement
from tests.evals.scorers.test_text import gold


@dataclass(frozen=True)
class Counting(InstructionScorer):
    """Counts how often it is asked, and raises on "boom"."""

    asked: tuple[list[str], ...] = ([],)

    def score(self, prediction: str, gold: object) -> Score:
        self.asked[0].append(prediction)
        if prediction == "boom":
            raise RecursionError
        return super().score(prediction, gold)  # type: ignore[arg-type]


def test_each_answer_is_scored_once_and_an_error_is_its_reply_s_alone() -> None:
    scorer = Counting(asked=([],))
    assessed = scored(["42", "<think>hm</think>42", "boom", "7"], gold("42"), scorer, instruction.read)

    assert ["42", "boom", "7"] == scorer.asked[0]
    assert ["right", "right", "error", "wrong"] == [one.score.outcome for one in assessed.values()]
    assert assessed["boom"].score.reason.startswith("RecursionError (test_guarded.py:")


@pytest.mark.parametrize(
    ("reply", "finish", "outcome"),
    [
        ("SELECT name FROM singer", "stop", "wrong"),
        ("SELECT name FROM singer", "length", "truncated"),
        ("SELECT name FROM singer;\nThis gi", "length", "wrong"),
        ("```sql\nSELECT name FROM singer\n```", "length", "wrong"),
        ("<think>SELECT", "length", "truncated"),
    ],
)
def test_a_query_that_the_limit_cut_is_a_class_of_its_own(reply: str, finish: str, outcome: str) -> None:
    [one] = scored([reply], gold("SELECT 1"), InstructionScorer(), sql.read).values()

    assert outcome == one.ended(finish).outcome


def test_a_statement_that_the_limit_cut_before_its_end_is_truncated() -> None:
    [one] = scored(["theorem a : 1 ="], gold("theorem a : 1 = 1 :="), InstructionScorer(), statement.read).values()

    assert "truncated" == one.ended("length").outcome


def test_that_a_reply_gave_several_queries_stands_in_the_reason() -> None:
    [one] = scored(["SELECT 1; SELECT 2;"], gold("SELECT 2"), InstructionScorer(), sql.read).values()

    assert one.score.right
    assert one.score.reason.endswith("; the last of 2 queries in the reply")


def test_where_nothing_raises_the_labels_are_the_scorer_s() -> None:
    assert ([0, None, 0], "") == labels(["42", "", "４２"], gold("42"), InstructionScorer())
