"""Scored replies become one answer a side, and the answers a verdict."""

import pytest

from evals.scored import GREEDY, Scored, compare, compare_all, winner
from evals.scorers.base import Outcome, Score
from storage.records import UsageError


def reply(
    outcome: Outcome, index: int = GREEDY, label: int | None = None, *, id: str = "q", value: float | None = None
) -> Scored:
    worth = float(outcome == "right") if value is None else value
    return Scored(id, f"g{id}", "base", index, f"reply {index}", "stop", Score(outcome, worth, ""), label)


def side(*outcomes: Outcome) -> dict[str, list[Scored]]:
    return {str(n): [reply(outcome, id=str(n))] for n, outcome in enumerate(outcomes)}


def test_the_answer_with_most_votes_wins_and_the_greedy_reply_has_none() -> None:
    votes = [reply("wrong", 0, 0), reply("right", 1, 1), reply("invalid", 2), reply("right", 3, 1), reply("wrong")]

    assert 1 == winner(votes).index


def test_without_votes_the_greedy_reply_answers() -> None:
    assert GREEDY == winner([reply("right")]).index


def test_where_all_abstain_the_first_vote_answers() -> None:
    assert 0 == winner([reply("invalid", 1), reply("invalid", 0), reply("right")]).index


def test_a_tie_falls_the_same_way_for_both_sides() -> None:
    votes = [reply("wrong", 0, 0), reply("right", 1, 1)]

    assert winner(votes).label == winner(list(reversed(votes))).label


def test_ten_fixed_questions_are_better() -> None:
    facts = compare(side(*["wrong"] * 10), side(*["right"] * 10), ("base", "x/1"))

    assert ("better", 10, 0) == tuple(facts["paired"][name] for name in ("verdict", "fixed", "broken"))
    assert (0.0, 1.0) == (facts["base"]["accuracy"], facts["adapter"]["accuracy"])
    assert 1.0 == facts["paired"]["value_difference"]


def test_what_says_nothing_of_one_side_is_left_out_of_both() -> None:
    base = side("right", "gold-invalid", "right", "wrong")
    facts = compare(base, side("wrong", "right", "undecided", "right"), ("base", "x/1"))

    assert {"gold-invalid": 1, "undecided": 1} == facts["left_out"]
    assert 2 == facts["counted"] == sum(facts["base"]["outcomes"].values())
    assert (1, 1) == (facts["paired"]["fixed"], facts["paired"]["broken"])


def test_what_cannot_be_used_is_wrong_and_counted_apart() -> None:
    facts = compare(side("invalid", "timeout", "right", "tie"), side(*["right"] * 4), ("base", "x/1"))

    assert (0.25, 0.5) == (facts["base"]["accuracy"], facts["base"]["unreadable"])


def test_values_have_intervals_by_group() -> None:
    base = {str(n): [reply("wrong", id=str(n), value=n / 10)] for n in range(10)}
    facts = compare(base, {id: [reply("wrong", id=id, value=0.9)] for id in base}, ("base", "x/1"))

    assert facts["base"]["value"] == pytest.approx(0.45)
    assert facts["base"]["value_ci95"][0] < 0.45 < facts["base"]["value_ci95"][1]
    assert facts["paired"]["value_difference"] == pytest.approx(0.45)
    assert [0.9, 0.9] == pytest.approx(facts["adapter"]["value_ci95"])


def test_nothing_to_count_is_refused() -> None:
    with pytest.raises(UsageError):
        compare(side("undecided"), side("right"), ("base", "x/1"))


def test_several_adapters_share_one_correction() -> None:
    base, six, none = side(*["wrong"] * 20), side(*["right"] * 6, *["wrong"] * 14), side(*["wrong"] * 20)

    alone = compare(base, six, ("base", "x/1"))["paired"]
    among = compare_all({"x/1": (base, six), "x/2": (base, none)}, "base")["x/1"]["paired"]

    assert ("better", 0.03125) == (alone["verdict"], alone["adjusted_p"])
    assert ("cannot tell", 0.0625, 2) == tuple(among[x] for x in ("verdict", "adjusted_p", "comparisons"))
    assert alone["value_difference"] == among["value_difference"]
