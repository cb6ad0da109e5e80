"""Votes weighted by confidence."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.vote import majority
from evals.vote_weights import weighted_majority

some_votes = st.lists(st.sampled_from(["A", "B", "C", None]), max_size=9)


def test_one_sure_vote_outweighs_two_that_guess():
    assert "B" == weighted_majority("q", ["A", "A", "B"], [-2.0, -2.0, -0.1])
    assert "A" == weighted_majority("q", ["A", "A", "B"], [-0.5, -0.5, -0.1])
    assert 2 * math.exp(-0.5) > math.exp(-0.1) > 2 * math.exp(-2.0)


@given(some_votes, st.floats(-5, 0))
def test_equal_confidence_gives_the_plain_majority(votes, logprob):
    tally = {letter: votes.count(letter) for letter in "ABC" if letter in votes}

    assert majority("q", tally) == weighted_majority("q", votes, [logprob] * len(votes))


@given(st.lists(st.tuples(st.sampled_from(["A", "B", None]), st.sampled_from([-0.1, -0.3, -0.7, None]))), st.randoms())
def test_the_order_of_weighted_votes_does_not_matter(cast, random):
    mixed = random.sample(cast, len(cast))

    assert weighted_majority("q", *zip(*cast, strict=True) if cast else ([], [])) == weighted_majority(
        "q", *zip(*mixed, strict=True) if cast else ([], [])
    )


def test_abstentions_and_votes_without_a_weight_never_win():
    assert weighted_majority("q", [None, None, "A"], [-0.01, -0.01, -9.0]) == "A"
    assert weighted_majority("q", ["A", "B", "B"], [-1.0, None, None]) == "A"
    assert weighted_majority("q", [None], [-0.1]) is None
    assert weighted_majority("q", ["A"], [-math.inf]) is None


def test_sums_that_differ_by_rounding_alone_are_a_tie():
    logprobs = [math.log(0.1), math.log(0.2), math.log(0.3)]
    winners = [weighted_majority(str(i), ["A", "A", "B"], logprobs) for i in range(20)]

    assert math.exp(logprobs[0]) + math.exp(logprobs[1]) != math.exp(logprobs[2])
    assert [majority(str(i), {"A": 1, "B": 1}) for i in range(20)] == winners


def test_weights_that_are_none_are_refused():
    with pytest.raises(ValueError, match="2 votes, 1 log"):
        weighted_majority("q", ["A", "B"], [-1.0])
    with pytest.raises(ValueError, match=r"0\.5; expected at most 0"):
        weighted_majority("q", ["A"], [0.5])
    with pytest.raises(ValueError, match="nan"):
        weighted_majority("q", ["A"], [math.nan])
