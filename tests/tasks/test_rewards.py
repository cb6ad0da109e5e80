"""Rewards that can be checked: right answers are worth their weight, what cannot be read is never worth anything."""

from dataclasses import replace

import pytest

from storage.records import Question
from tasks.tune.grpo_spec import GrpoSpec
from tasks.tune.rewards import PARTS, course, gamed, judge

ASKED = Question("A lamp is on.", "Which lamp?", ("red", "green", "blue"), "B", "q")
WEIGHTS = {"answer": 1.0, "format": 0.1, "length": 0.1}


@pytest.mark.parametrize(
    ("text", "finished", "outcome", "answer", "form"),
    [
        ("It is green.\nAnswer: B", True, "right", 1.0, 1.0),
        ("它是绿的。\n答案：B", True, "right", 1.0, 1.0),
        ("It is red.\nAnswer: A", True, "wrong", 0.0, 1.0),
        ("Answer: B", True, "right", 1.0, 0.0),
        ("Answer: A\nno,\nAnswer: B", True, "right", 1.0, 0.0),
        ("I do not know.", True, "unreadable", 0.0, 0.0),
        ("", True, "unreadable", 0.0, 0.0),
        ("It is green.\nAnswer: B", False, "cut", 0.0, 0.0),
    ],
)
def test_a_reply_is_worth_what_it_came_to(text: str, finished: bool, outcome: str, answer: float, form: float) -> None:
    found = judge(ASKED, text, finished=finished)

    assert (outcome, answer, form) == (found.outcome, found.parts["answer"], found.parts["format"])


@pytest.mark.parametrize(("text", "finished"), [("I do not know.", True), ("It is green.\nAnswer: B", False)])
def test_what_is_unreadable_or_cut_is_worth_nothing_whatever_the_weights(text: str, finished: bool) -> None:
    assert 0.0 == judge(ASKED, text, finished=finished).reward(dict.fromkeys(PARTS, 5.0))


def test_options_of_equal_text_are_one_answer() -> None:
    twice = replace(ASKED, options=("red", "green", "green"))

    assert "right" == judge(twice, "So.\nAnswer: C", finished=True).outcome


def test_length_is_worth_less_beyond_its_target_and_nothing_at_twice_that() -> None:
    said = "so " * 30 + "\nAnswer: B"
    values = [
        judge(ASKED, said, finished=True, length_target=n).parts["length"] for n in (len(said), 80, len(said) // 2)
    ]

    assert 1.0 == values[0] > values[1] > values[2] == 0.0


def test_the_weighted_parts_are_added() -> None:
    assert 1.2 == pytest.approx(judge(ASKED, "It is green.\nAnswer: B", finished=True).reward(WEIGHTS))


def test_a_reward_that_is_gamed_is_told() -> None:
    honest = [judge(ASKED, "It is green.\nAnswer: B", finished=True)] * 50
    bare = [judge(ASKED, "Answer: B", finished=True)] * 50
    several = [judge(ASKED, "Answer: A\nor so\nAnswer: B", finished=True)] * 50

    assert [] == gamed(course(honest + honest))
    assert ["without steps" in one for one in gamed(course(honest + bare))] == [True]
    assert "state several answers" in gamed(course(honest + several))[0]


@pytest.mark.parametrize("wrong", [{"batch_size": 12}, {"answer": 0.0, "format": 0.0}])
def test_settings_that_cannot_work_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"multiple|nothing would be rewarded"):
        GrpoSpec.model_validate(wrong)
