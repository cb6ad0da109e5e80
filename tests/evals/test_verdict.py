"""One word from two sets of answers."""

import random

import pytest

from evals.verdict import verdict
from storage.records import UsageError


def rows(answers, group=lambda i: f"p{i}"):
    """Rows whose key is always A: "A" is right, "B" wrong, None unreadable."""
    return [{"id": f"q{i:04}", "group": group(i), "gold": "A", "answer": a} for i, a in enumerate(answers)]


def judged(base, adapter, group=lambda i: f"p{i}"):
    return verdict(rows(base, group), rows(adapter, group))


def test_a_clear_gain_is_better():
    v = judged("B" * 60 + "A" * 40, "A" * 50 + "B" * 10 + "A" * 40)

    assert v.word == "better"
    assert v.reason.startswith("50 of 100 questions were fixed and 0 broken (p < 0.0001")
    assert (v.base.accuracy, v.adapter.accuracy, v.difference) == (0.4, 0.9, 0.5)
    assert v.ci95[0] > 0
    assert v.fixed == tuple(f"q{i:04}" for i in range(50))
    assert v.broken == ()


def test_the_mirror_of_a_gain_is_worse_with_mirrored_numbers():
    base, adapter = "B" * 60 + "A" * 40, "A" * 50 + "B" * 10 + "A" * 40
    gain, loss = judged(base, adapter), judged(adapter, base)

    assert loss.word == "worse"
    assert (loss.difference, loss.p) == (-gain.difference, gain.p)
    assert (loss.fixed, loss.broken) == (gain.broken, gain.fixed)
    assert loss.ci95 == pytest.approx((-gain.ci95[1], -gain.ci95[0]))


def test_answers_all_equal_cannot_tell():
    v = judged("AB" * 20, "AB" * 20)

    assert (v.word, v.p, v.difference, v.ci95) == ("cannot tell", 1.0, 0.0, (0.0, 0.0))
    assert "No answer changed" in v.reason


def test_an_even_split_cannot_tell():
    v = judged("A" * 20 + "B" * 20, "B" * 20 + "A" * 20)

    assert v.word == "cannot tell"
    assert "p = 1.00" in v.reason


def test_an_interval_without_zero_does_not_outweigh_mcnemar():
    v = judged("B" * 7 + "A" * 93, "A" * 7 + "B" + "A" * 92)

    assert v.ci95[0] > 0
    assert v.p == pytest.approx(18 / 256)
    assert v.word == "cannot tell"


def test_changes_within_five_problems_cannot_tell_whatever_p_says():
    five = judged("B" * 50, "A" * 50, group=lambda i: f"p{i % 5}")
    six = judged("B" * 50, "A" * 50, group=lambda i: f"p{i % 6}")

    assert five.p < 0.0001
    assert (five.word, six.word) == ("cannot tell", "better")
    assert "only 5 problems" in five.reason


def test_a_gain_carried_by_a_few_big_problems_cannot_tell():
    # 40 fixed against 20 broken is p < 0.05, but 7 problems of twelve questions each carry it.
    base = "B" * 36 + "A" * 12 + "B" * 4 + "A" * 8 + "A" * 24
    adapter = "A" * 36 + "B" * 12 + "A" * 4 + "B" * 8 + "A" * 24
    v = judged(base, adapter, group=lambda i: f"p{i // 12 if i < 48 else i // 6}")

    assert v.p < 0.05
    assert v.ci95[0] < 0 < v.ci95[1]
    assert v.word == "cannot tell"
    assert "by problem" in v.reason


def test_unreadable_answers_are_wrong_and_counted():
    v = judged([None] * 30 + ["A"] * 10, ["A"] * 20 + [None] * 10 + ["B"] * 10)

    assert (v.base.unreadable, v.adapter.unreadable) == (0.75, 0.25)
    assert (v.base.accuracy, v.adapter.accuracy) == (0.25, 0.5)
    assert len(v.broken) == 10


def test_an_adapter_that_only_adds_noise_cannot_tell_in_at_least_95_of_100_trials():
    words = []
    for trial in range(100):
        draw = random.Random(10_000 + trial)
        base = [draw.choice("AB") for _ in range(120)]
        adapter = [draw.choice("AB") if draw.random() < 0.4 else b for b in base]
        words.append(judged(base, adapter, group=lambda i: f"p{i // 3}").word)

    assert words.count("cannot tell") >= 95


def test_an_adapter_that_moves_whole_problems_at_random_cannot_tell_in_at_least_90_of_100_trials():
    """McNemar alone would say "better" or "worse" in about a third of these trials."""
    words = []
    for trial in range(100):
        draw = random.Random(10_000 + trial)
        base = [a for _ in range(60) for a in draw.choice("AB") * 4]
        adapter = [a for _ in range(60) for a in draw.choice("AB") * 4]
        words.append(judged(base, adapter, group=lambda i: f"p{i // 4}").word)

    assert words.count("cannot tell") >= 90


def test_the_verdict_does_not_depend_on_the_order_of_rows():
    base, adapter = rows("B" * 12 + "A" * 8), rows("A" * 9 + "B" * 3 + "A" * 8)

    assert verdict(base, adapter) == verdict(base[::-1], sorted(adapter, key=lambda r: r["id"][::-1]))


def test_the_dictionary_carries_the_contract():
    found = judged("B" * 30, "A" * 30).dict()

    assert {"accuracy", "ci95", "unreadable"} == set(found["base"]) == set(found["adapter"])
    assert {"difference", "ci95", "mcnemar_p", "fixed", "broken", "verdict"} <= set(found["paired"])
    assert found["paired"]["fixed"] == 30
    assert found["paired"]["verdict"] == "better"


def scored(scores, group=lambda i: f"p{i}"):
    return [{"id": f"q{i:04}", "group": group(i), "score": score} for i, score in enumerate(scores)]


def test_scores_of_right_and_wrong_give_the_verdict_of_their_answers():
    base, adapter = "B" * 60 + "A" * 40, "A" * 50 + "B" * 10 + "A" * 40
    by_key, by_score = judged(base, adapter), verdict(*(scored([x == "A" for x in side]) for side in (base, adapter)))

    assert by_key == by_score
    assert by_key == verdict(rows(base), scored([x == "A" for x in adapter]))


def test_scores_between_are_judged_by_sign_flip_and_bootstrap():
    draw = random.Random(3)
    base = [draw.random() for _ in range(60)]
    v = verdict(scored(base), scored([x + draw.uniform(-0.1, 0.3) for x in base]))

    assert ("better", "sign-flip") == (v.word, v.test)
    assert "mcnemar_p" not in v.paired()
    assert 0.05 < v.ci95[0] < v.difference < v.ci95[1] < 0.15
    assert v.reason.endswith("; the difference lies between " + f"{v.ci95[0]:+.3g} and {v.ci95[1]:+.3g}.")
    assert "sign-flip by problem" in v.reason
    assert "worse" == verdict(scored([x + 0.2 for x in base]), scored(base)).word


def test_scores_that_rise_in_five_problems_cannot_tell():
    five = verdict(scored([0.5] * 50, lambda i: i % 5), scored([0.7] * 50, lambda i: i % 5))

    assert (0.0625, "cannot tell") == (five.p, five.word)


def test_a_score_that_was_not_given_is_nothing_and_counted():
    v = verdict(scored([None, 0.5]), scored([0.25, 0.5]))

    assert (0.5, 0.0, 0.25) == (v.base.unreadable, v.adapter.unreadable, v.base.accuracy)


def test_scores_that_only_move_at_random_cannot_tell_in_at_least_90_of_100_trials():
    words = []
    for trial in range(100):
        draw = random.Random(20_000 + trial)
        moves = [draw.gauss(0, 0.2) for _ in range(30)]
        base = [draw.random() for _ in range(90)]
        words.append(verdict(scored(base, lambda i: i // 3),
                             scored([x + moves[i // 3] for i, x in enumerate(base)], lambda i: i // 3)).word)  # fmt: skip

    assert words.count("cannot tell") >= 90


GOOD = rows("AB")


@pytest.mark.parametrize(
    ("base", "adapter", "says"),
    [
        ([], GOOD, "no rows"),
        (GOOD, [], "no rows"),
        (GOOD, GOOD[:1], "1 ids missing, the first 'q0001'"),
        (GOOD[:1], GOOD, "1 ids missing"),
        (GOOD, [GOOD[0], {**GOOD[1], "gold": "C"}], "'A' in base, 'C' in adapter"),
        (GOOD, [GOOD[0], {**GOOD[1], "group": "other"}], "'p1' in base, 'other' in adapter"),
        (GOOD, [*GOOD, GOOD[0]], "id 'q0000' a second time"),
        ([{"id": "q", "gold": "A"}], GOOD, "add group, answer"),
        ([{**GOOD[0], "gold": None}], GOOD, "gold null"),
    ],
)
def test_rows_that_do_not_match_are_refused(base, adapter, says):
    with pytest.raises(UsageError) as caught:
        verdict(base, adapter)

    assert says in str(caught.value)
    assert caught.value.expected
    assert caught.value.hint
