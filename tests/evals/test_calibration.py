"""Calibration of the vote share, and answers when options change places."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.calibration import Shown, calibration, consistency
from evals.vote import count
from storage.records import Question


def ballot(votes, i=0, answer="A"):
    return count(Question("p", str(i), ("1", "2", "3", "4"), answer), [None if v == "-" else v for v in votes])


def test_calibration_by_hand():
    # Shares 1.0, 1.0, 0.6, 0.6; right, wrong, right, right.
    found = calibration([ballot("AAAAA", 0), ballot("BBBBB", 1), ballot("AAABB", 2), ballot("AAAB-", 3)])

    assert [(0.5, 0.6, 2), (0.9, 1.0, 2)] == [(b.above, b.up_to, b.n) for b in found.bins]
    assert [(0.6, 1.0), (1.0, 0.5)] == [pytest.approx((b.share, b.accuracy)) for b in found.bins]
    assert (0.4 + 0.5) / 2 == pytest.approx(found.ece)
    assert (0 + 1 + 0.16 + 0.16) / 4 == pytest.approx(found.brier)


def test_questions_without_a_winner_or_a_key_are_not_calibrated():
    found = calibration([ballot("---"), ballot("AAA", answer=None)])

    assert ((), 0, 1, None, None) == (found.bins, found.n, found.unanswered, found.ece, found.brier)


@given(st.lists(st.lists(st.sampled_from("ABC-"), min_size=1, max_size=10), min_size=1, max_size=30))
def test_calibration_agrees_with_numpy(all_votes):
    ballots = [ballot(votes, i) for i, votes in enumerate(all_votes)]
    known = [b for b in ballots if b.winner is not None]
    found = calibration(ballots)

    assert len(ballots) == found.n + found.unanswered == sum(b.n for b in found.bins) + found.unanswered
    if known:
        share = np.array([b.votes.count(b.winner) / len(b.votes) for b in known])
        right = np.array([b.right for b in known], dtype=float)
        place = np.digitize(share.round(9), np.linspace(0, 1, 11).round(9), right=True)
        gaps = [abs((right - share)[place == i].sum()) for i in range(1, 11)]
        assert sum(gaps) / len(known) == pytest.approx(found.ece)
        assert ((share - right) ** 2).mean() == pytest.approx(found.brier)


@pytest.mark.parametrize("n", range(1, 11))
def test_a_share_on_an_edge_belongs_to_the_bin_below(n):
    [found] = calibration([ballot("A" * n + "-" * (10 - n))]).bins

    assert (n / 10 - 0.1, n / 10) == pytest.approx((found.above, found.up_to))


def test_brier_of_one_winner_is_its_squared_distance_from_the_truth():
    assert pytest.approx((0.7 - 1) ** 2) == calibration([ballot("AAAAAAABBB")]).brier
    assert pytest.approx((0.7 - 0) ** 2) == calibration([ballot("BBBBBBBAAA")]).brier


FOUR = (0, 1, 2, 3)
BACK = (3, 2, 1, 0)


def test_an_answer_that_follows_its_option_is_consistent():
    found = consistency({"q": [Shown(FOUR, "B"), Shown(BACK, "C"), Shown((1, 0, 2, 3), "A")]}, {"q": "g"})

    assert (1, 1.0, 1.0) == (found.questions, found.same, found.pairs)
    assert (1, 1, 1, 0) == found.places


def test_an_answer_that_keeps_its_place_is_not():
    found = consistency(
        {str(i): [Shown(FOUR, "A"), Shown(BACK, "A")] for i in range(5)}, {str(i): "g" for i in range(5)}
    )

    assert (0.0, 0.0) == (found.same, found.pairs)
    assert (10, 0, 0, 0) == found.places


def test_an_unreadable_answer_agrees_with_nothing():
    shown = {"a": [Shown(FOUR, None), Shown(BACK, None)], "b": [Shown(FOUR, "A"), Shown(BACK, "D"), Shown(FOUR, None)]}

    found = consistency(shown, {"a": "g", "b": "h"})

    assert 0.0 == found.same
    assert (0 + 1 / 3) / 2 == pytest.approx(found.pairs)


def test_the_interval_of_consistency_is_by_problem():
    def half(problems):
        shown = {str(i): [Shown(FOUR, "A"), Shown(BACK, "D" if i % problems % 2 else "A")] for i in range(120)}
        lo, hi = consistency(shown, {str(i): str(i % problems) for i in range(120)}).ci95
        return hi - lo

    assert half(12) > 2 * half(120)


def test_no_questions_have_no_consistency():
    assert consistency({}, {}) is None


def test_what_is_no_showing_is_refused():
    with pytest.raises(ValueError, match="shown 1 times"):
        consistency({"q": [Shown(FOUR, "A")]}, {"q": "g"})
    with pytest.raises(ValueError, match="permutation of 4"):
        consistency({"q": [Shown(FOUR, "A"), Shown((0, 0, 1, 2), "A")]}, {"q": "g"})
    with pytest.raises(ValueError, match="'E'"):
        consistency({"q": [Shown(FOUR, "A"), Shown(BACK, "E")]}, {"q": "g"})
