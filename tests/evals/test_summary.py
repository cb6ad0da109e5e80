import pytest

from evals.adaptive import Exact, Window
from evals.summary import replays, savings, summary
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
        Sample(
            q.id, subject, index, f"{subject}{answer}", "length" if answer is None else "stop", 3,
            answer, "truncated" if answer is None else "cue",
        )
        for q, answers in ANSWERS[subject].items()
        for index, answer in enumerate(answers, -2)
    ]  # fmt: skip


SAMPLES = {name: samples(name) for name in ANSWERS}
BALLOTS = {name: {q.id: count(q, answers[2:]) for q, answers in by.items()} for name, by in ANSWERS.items()}
FOUND = summary([RED, BLUE], SAMPLES, BALLOTS, ["logic/1"])


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
    assert {("family", "lamp", 1, 0.0, 1.0), ("family", "boxes", 1, 1.0, 1.0), ("language", "English", 1, 0.0, 1.0),
            ("language", "Chinese", 1, 1.0, 1.0)} == {
        tuple(s[x] for x in ("by", "name", "n", "base", "adapter")) for s in FOUND["slices"]}  # fmt: skip


def test_the_paired_part_holds_the_word() -> None:
    assert (1, 0, "cannot tell") == tuple(FOUND["paired"][name] for name in ("fixed", "broken", "verdict"))


def test_ballots_of_unlike_length_are_cut_for_the_curve_alone() -> None:
    longer = BALLOTS["logic/1"] | {RED.id: count(RED, ["A", "A", "A", "A", "A"])}

    found = summary([RED, BLUE], SAMPLES, BALLOTS | {"logic/1": longer}, ["logic/1"])

    assert 3 == len(found["curves"]["adapter"])
    assert 8 == found["adapter"]["samples"]


def test_without_the_unreadable_an_accuracy_is_of_the_questions_that_were_answered() -> None:
    assert (0.5, 1.0) == (FOUND["base"]["accuracy"], FOUND["base"]["readable_accuracy"])
    assert 1.0 == FOUND["adapter"]["readable_accuracy"]


def test_votes_are_counted_by_what_read_them_or_why_nothing_did() -> None:
    base, adapter = FOUND["base"], FOUND["adapter"]

    assert ({"cue": {"n": 2, "right": 1}}, {"truncated": 4}) == (base["extractors"], base["abstentions"])
    assert {"cue": {"n": 5, "right": 3}} == adapter["extractors"]


def test_an_accuracy_of_no_answers_is_unknown() -> None:
    silent = {q.id: count(q, [None, None]) for q in (RED, BLUE)}

    found = summary([RED, BLUE], SAMPLES, {"base": silent, "logic/1": silent}, ["logic/1"])

    assert found["base"]["readable_accuracy"] is None
    assert (0.0, 1.0) == (found["base"]["accuracy"], found["base"]["unreadable"])


def test_several_adapters_stand_beside_each_other_and_correct_each_other_s_words() -> None:
    many = [Question(f"Lamp {n} is red.", "Colour?", ("red", "blue"), "A", split="test") for n in range(40)]
    cast = {"base": 30, "logic/1": 36, "logic/2": 37, "vote of logic/1+logic/2": 36}
    ballots = {
        name: {q.id: count(q, ["A" if n < right else "B"]) for n, q in enumerate(many)} for name, right in cast.items()
    }

    alone = summary(many, {}, ballots, ["logic/1"])["paired"]
    among = summary(many, {}, ballots, list(cast)[1:])

    assert (0.03125, "better") == (alone["adjusted_p"], alone["verdict"])
    assert (0.03125, "cannot tell", 3) == tuple(among["paired"][x] for x in ("mcnemar_p", "verdict", "comparisons"))
    assert among["paired"]["adjusted_p"] > 0.05
    assert "3 comparisons" in among["paired"]["reason"]
    assert ["logic/2", "vote of logic/1+logic/2"] == list(among["others"])
    assert 0.925 == among["others"]["logic/2"]["accuracy"]
    assert among["others"]["logic/2"]["greedy_accuracy"] is None


def test_an_adapter_that_went_on_from_another_is_held_against_it_too_corrected_with_all() -> None:
    many = [Question(f"Lamp {n} is red.", "Colour?", ("red", "blue"), "A", split="test") for n in range(40)]
    cast = {"base": 10, "logic/2": 36, "logic/1": 22}
    ballots = {
        name: {q.id: count(q, ["A" if n < right else "B"]) for n, q in enumerate(many)} for name, right in cast.items()
    }

    found = summary(many, {}, ballots, ["logic/2", "logic/1"], [("logic/1", "logic/2")])

    (stage,) = found["stages"]
    assert ("logic/1", "logic/2", "better", 3) == (
        stage["parent"], stage["child"], stage["paired"]["verdict"], stage["paired"]["comparisons"]
    )  # fmt: skip
    assert {q.id for q in many[22:36]} == set(stage["fixed"])
    assert [] == stage["broken"]
    assert 3 == found["paired"]["comparisons"]
    assert "stages" not in summary(many, {}, ballots, ["logic/2", "logic/1"])


def test_savings_are_of_all_votes_there_could_have_been() -> None:
    assert {"asked": 6, "full": 10, "saved": 0.4} == savings([BALLOTS["base"]], 5)


def test_a_replay_says_what_each_rule_would_have_saved() -> None:
    alike = {RED.id: count(RED, ["A"] * 5), BLUE.id: count(BLUE, ["B"] * 5)}

    found = replays([alike, alike], [RED, BLUE], {"exact": Exact(), "window 2": Window(2)})

    assert [("exact", 4, 0.4, 1.0), ("window 2", 4, 0.6, 1.0)] == [
        (of["rule"], of["questions"], round(of["saved"], 6), of["agreement"]) for of in found
    ]
