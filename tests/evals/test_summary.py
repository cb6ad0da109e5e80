import pytest

from evals.summary import same_replies, summary
from evals.vote import count
from storage.records import Question, Sample

RED = Question("The lamp is red.", "Colour?", ("red", "blue"), "A", source_id="lamp-en-1", split="test")
BLUE = Question("灯是蓝的。", "颜色？", ("红", "蓝"), "B", source_id="boxes-zh-2", split="test")
ANSWERS = {
    "base": {RED: ["A", None, None, None, None], BLUE: ["A", "A", "B", None, "A"]},
    "logic/1": {RED: ["A", "A", "A", "A", "B"], BLUE: ["B", "B", "B", None, "A"]},
}


def samples(subject: str) -> list[Sample]:
    return [
        Sample(q.id, subject, index, f"{subject}{answer}", "length" if answer is None else "stop", 3, answer)
        for q, answers in ANSWERS[subject].items()
        for index, answer in enumerate(answers, -2)
    ]


SAMPLES = {name: samples(name) for name in ANSWERS}
BALLOTS = {name: {q.id: count(q, answers[2:]) for q, answers in by.items()} for name, by in ANSWERS.items()}
FOUND = summary([RED, BLUE], SAMPLES, BALLOTS, "logic/1")


def test_each_accuracy_is_a_share_of_all_questions_and_the_unreadable_are_wrong() -> None:
    assert [0.5, 0.0, 0.5] == [FOUND["base"][name] for name in ("accuracy", "greedy_accuracy", "forced_accuracy")]
    assert [1.0, 1.0, 1.0] == [FOUND["adapter"][name] for name in ("accuracy", "greedy_accuracy", "forced_accuracy")]


def test_unreadable_counts_questions_without_a_winner_and_beside_them_single_votes() -> None:
    assert 0.5 == FOUND["base"]["unreadable"]
    assert pytest.approx(4 / 6) == FOUND["base"]["unreadable_samples"]
    assert (0.0, 6) == (FOUND["adapter"]["unreadable"], FOUND["adapter"]["samples"])


def test_a_single_vote_is_the_curve_s_first_point() -> None:
    assert FOUND["curves"]["adapter"][0][1] == FOUND["adapter"]["single_accuracy"]
    assert [1, 2, 3] == [point[0] for point in FOUND["curves"]["base"]]


def test_slices_name_family_and_language() -> None:
    assert {("family", "lamp", 1, 0.0, 1.0), ("family", "boxes", 1, 1.0, 1.0), ("language", "en", 1, 0.0, 1.0),
            ("language", "zh", 1, 1.0, 1.0)} == {tuple(s.values()) for s in FOUND["slices"]}  # fmt: skip


def test_the_paired_part_holds_the_word() -> None:
    assert (1, 0, "cannot tell") == tuple(FOUND["paired"][name] for name in ("fixed", "broken", "verdict"))


def test_an_adapter_that_says_what_the_base_says_is_seen() -> None:
    assert same_replies(SAMPLES["base"], SAMPLES["base"])
    assert not same_replies(SAMPLES["base"], SAMPLES["logic/1"])


def test_ballots_of_unlike_length_are_cut_for_the_curve_alone() -> None:
    longer = BALLOTS["logic/1"] | {RED.id: count(RED, ["A", "A", "A", "A", "A"])}

    found = summary([RED, BLUE], SAMPLES, BALLOTS | {"logic/1": longer}, "logic/1")

    assert 3 == len(found["curves"]["adapter"])
    assert 8 == found["adapter"]["samples"]
