"""Votes that stop early: what each rule promises, and what it saves."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta as beta_distribution

from evals.adaptive import Beta, Exact, Race, Window, further, lead_probability, next_round, replay
from evals.vote import count, majority
from storage.records import Question

RULES = [Exact(), Beta(0.89), Beta(0.95), Beta(0.99), Window(2), Window(3), Window(5)]
ABC = ("A", "B", "C")
ballots_of_votes = st.lists(st.sampled_from(["A", "B", "C", "D", None]), max_size=15)
ids = st.integers(0, 50).map(str)


def race(votes, most=9, letters="ABCD", question="q"):
    return Race(question, tuple(letters), most, tuple(None if v == "-" else v for v in votes))


def winner(r):
    return majority(r.question, r.tally)


def one_by_one(full, rule):
    """The race over these votes, asked for singly."""
    r = Race(full.question, full.letters, full.most)
    while not rule.settles(r):
        r = r.after([full.votes[len(r.votes)]])
    return r


@pytest.mark.parametrize("letters", [("A",), ("A", "B"), ABC])
@pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 6])
def test_exact_settles_if_and_only_if_every_way_on_elects_the_same(letters, most):
    elected = {}  # by question and tally, as neither the votes' order nor their number matters
    for question in ("0", "1", "2"):
        for cast in range(most + 1):
            # A tally stands for all orders of its votes.
            for votes in itertools.combinations_with_replacement((*letters, None), cast):
                r = Race(question, letters, most, votes)
                ways = itertools.combinations_with_replacement((*letters, None), r.left)
                winners = set()
                for way in ways:
                    tally = Counter(v for v in (*votes, *way) if v is not None)
                    key = (question, frozenset(tally.items()))
                    winners.add(elected.setdefault(key, majority(question, tally)))
                # Nobody's victory is a winner too: it is known only once all have abstained.
                assert Exact().settles(r) == (len(winners) == 1), (votes, winners)


@given(ids, ballots_of_votes)
def test_exact_elects_the_winner_of_the_full_vote(question, votes):
    full = Race(question, tuple("ABCD"), len(votes), tuple(votes))

    assert winner(full) == winner(one_by_one(full, Exact()))


@given(ids, ballots_of_votes, st.sampled_from(RULES))
def test_a_round_asks_for_no_vote_that_one_by_one_would_not(question, votes, rule):
    full = Race(question, tuple("ABCD"), len(votes), tuple(votes))
    r = Race(question, full.letters, full.most)
    while more := further(r, rule):
        r = r.after(votes[len(r.votes) : len(r.votes) + more])

    assert one_by_one(full, rule) == r


@given(ids, ballots_of_votes, st.sampled_from(RULES))
def test_no_rule_asks_for_more_than_exact_does(question, votes, rule):
    full = Race(question, tuple("ABCD"), len(votes), tuple(votes))

    assert len(one_by_one(full, rule).votes) <= len(one_by_one(full, Exact()).votes) <= full.most


def test_exact_by_hand():
    assert not Exact().settles(race("AAAA"))  # five B to come
    assert Exact().settles(race("AAAAA"))
    assert Exact().settles(race("AAABB-", most=6))
    assert not Exact().settles(race("AAABB", most=7))
    assert not Exact().settles(race("----"))
    assert Exact().settles(race("---------"))


def test_a_rival_that_can_only_draw_level_counts_by_the_draw_of_the_tie():
    falls_to = {q: majority(q, {"A": 1, "B": 1}) for q in map(str, range(20))}

    assert {"A", "B"} == set(falls_to.values())
    for question, letter in falls_to.items():
        assert Exact().settles(race("AA", most=4, letters="AB", question=question)) == (letter == "A")


def test_an_answer_nobody_gave_yet_can_still_win_if_it_is_an_option():
    settled = {
        letters: [Exact().settles(race("AAB", most=5, letters=letters, question=str(i))) for i in range(20)]
        for letters in ("AB", "ABC")
    }

    assert not any(settled["AB"])  # B overtakes with both
    ties = [majority(str(i), {"A": 2, "C": 2}) == "A" for i in range(20)]
    alone = [Exact().settles(race("AA-", most=5, letters="AC", question=str(i))) for i in range(20)]
    assert ties == alone
    assert all(Exact().settles(race("AA-", most=5, letters="A", question=str(i))) for i in range(20))


@given(st.integers(0, 40), st.integers(0, 40))
def test_the_lead_probability_agrees_with_scipy(ahead, behind):
    assert lead_probability(ahead, behind) == pytest.approx(beta_distribution(ahead + 1, behind + 1).sf(0.5))


def test_the_beta_rule_stops_where_the_paper_does():
    # Threshold 0.95 and the paper's 40 votes: four of four (31/32) are enough, three of three (15/16) are not.
    assert not Beta().settles(race("AAA", most=40))
    assert Beta().settles(race("AAAA", most=40))
    assert not Beta().settles(race("AAAAAB", most=40))  # 0.9375
    assert Beta().settles(race("AAAAAAB", most=40))  # 0.965
    assert not Beta(31 / 32 + 1e-9).settles(race("AAAA", most=40))
    assert Beta(31 / 32).settles(race("AAAA", most=40))


def test_the_beta_rule_looks_at_the_runner_up_alone_and_past_abstentions():
    assert Beta().settles(race("AAAAAABC-D", most=40)) == Beta().settles(race("AAAAAAB", most=40)) is True
    assert not Beta().settles(race("-----", most=40))


def test_windows_follow_each_other():
    assert Window(3).settles(race("AAA", most=20))
    assert not Window(3).settles(race("BAAAB", most=20))  # three alike, but across windows
    assert Window(3).settles(race("ABCBBBA", most=20))
    assert not Window(3).settles(race("AA-", most=20))
    assert not Window(3).settles(race("---", most=20))


def test_the_winner_after_a_window_is_that_of_all_votes():
    r = race("AABAACBBB", most=20)

    assert Window(3).settles(r)
    assert winner(r) in "AB"
    assert {"A": 4, "B": 4, "C": 1} == r.tally


def test_the_first_round_is_the_fewest_votes_that_could_settle():
    assert [5, 3, 4, 3, 4] == [further(race(""), r) for r in (Exact(), Beta(0.9), Beta(0.95), Window(3), Window(4))]
    assert 1 == further(race("", letters="A", most=9), Exact())


def test_a_round_holds_the_questions_that_go_on():
    races = [race("AAAAA", question="done"), race("AAAAB", question="nearly"), race("", question="new")]

    assert {"nearly": 1, "new": 5} == next_round(races, Exact())
    assert {} == next_round(races[:1], Exact())


def test_a_replay_counts_what_was_saved_and_what_was_lost():
    question = Question("p", "q", ("1", "2", "3"), "A")
    all_right = count(question, "AAAAAAAAA")
    turned = count(Question("p", "r", ("1", "2", "3"), "A"), "BBBBAAAAA")
    letters = {b.question: ABC for b in (all_right, turned)}

    exact, quick = (replay([all_right, turned], letters, rule) for rule in (Exact(), Beta()))

    assert (2, 18, 14, 2) == exact
    assert (2, 18, 8, 1) == quick
    assert (4 / 18, 1.0) == pytest.approx((exact.saved, exact.agreement))
    assert 0.5 == quick.agreement


@given(st.lists(ballots_of_votes.filter(bool), max_size=4))
def test_a_replay_of_exact_keeps_every_winner(all_votes):
    ballots = [count(Question("p", str(i), ("1", "2", "3", "4"), "A"), votes) for i, votes in enumerate(all_votes)]

    assert 1.0 == replay(ballots, {b.question: "ABCD" for b in ballots}, Exact()).agreement


def test_what_is_no_race_and_no_rule_is_refused():
    with pytest.raises(ValueError, match="3 votes on question q; expected 2"):
        race("AAA", most=2)
    with pytest.raises(ValueError, match="'E'"):
        race("E")
    with pytest.raises(ValueError, match=r"confidence 0\.5"):
        Beta(0.5)
    with pytest.raises(ValueError, match="window of 1"):
        Window(1)
