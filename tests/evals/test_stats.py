"""The statistics against scipy, statsmodels and examples worked by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm
from scipy.stats import bootstrap as scipy_bootstrap
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from evals.stats import (
    Z80,
    Z95,
    clustered_bootstrap,
    clustered_shares,
    holm,
    mcnemar_exact,
    paired_bootstrap,
    pass_at,
    smallest_detectable,
    wilson,
)


def test_the_quantiles_are_the_normal_ones():
    assert pytest.approx((norm.ppf(0.975), norm.ppf(0.8))) == (Z95, Z80)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 10), (5, 10), (10, 10), (81, 263), (1999, 2000), (0, 1)])
def test_wilson_agrees_with_statsmodels(k, n):
    assert wilson(k, n) == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-12)


def test_wilson_agrees_with_newcombe_1998():
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


def test_wilson_of_nothing_is_the_whole_range():
    assert wilson(0, 0) == (0.0, 1.0)


def test_wilson_refuses_more_successes_than_trials():
    with pytest.raises(ValueError, match="11 successes"):
        wilson(11, 10)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_agrees_with_scipy_and_is_symmetric(fixed, broken):
    p = mcnemar_exact(fixed, broken)

    if fixed + broken:
        assert p == pytest.approx(binomtest(fixed, fixed + broken).pvalue)
    assert p == mcnemar_exact(broken, fixed)


def test_mcnemar_agrees_with_statsmodels():
    assert mcnemar_exact(9, 3) == pytest.approx(mcnemar([[20, 9], [3, 40]], exact=True).pvalue)


def test_mcnemar_by_hand():
    assert mcnemar_exact(0, 0) == 1.0
    assert mcnemar_exact(5, 0) == 2 / 32
    assert mcnemar_exact(6, 0) == 2 / 64
    assert mcnemar_exact(3, 1) == 2 * (1 + 4) / 16


def test_mcnemar_holds_for_thousands_of_changes():
    assert mcnemar_exact(1500, 1500) == 1.0
    assert 0 < mcnemar_exact(1600, 1400) == pytest.approx(binomtest(1600, 3000).pvalue)


def test_the_bootstrap_matches_the_normal_interval_for_problems_of_one_question():
    draws = np.random.default_rng(1).choice([-1, 0, 1], p=[0.1, 0.6, 0.3], size=500)
    lo, hi = paired_bootstrap({str(i): [int(d)] for i, d in enumerate(draws)}, seed=3)

    half = 1.96 * draws.std() / math.sqrt(500)
    assert (lo, hi) == pytest.approx((draws.mean() - half, draws.mean() + half), abs=0.006)


def test_the_bootstrap_is_wider_when_questions_of_a_problem_move_together():
    alone = paired_bootstrap({str(i): [1 if i % 4 == 0 else 0] for i in range(400)}, seed=0)
    together = paired_bootstrap({str(i): [1 if i % 4 == 0 else 0] * 10 for i in range(40)}, seed=0)

    assert together[1] - together[0] > 2.5 * (alone[1] - alone[0])


def test_the_bootstrap_depends_on_the_seed_and_not_on_the_order_of_problems():
    differences = {str(i): [(i % 3) - 1, i % 2][: 1 + i % 2] for i in range(53)}
    reordered = dict(reversed(differences.items()))

    assert paired_bootstrap(differences, seed=5) == paired_bootstrap(reordered, seed=5)
    assert paired_bootstrap(differences, seed=5) != paired_bootstrap(differences, seed=6)


def test_the_bootstrap_draws_every_replicate_even_in_chunks():
    many = {str(i): [i % 2] for i in range(3000)}

    lo, hi = paired_bootstrap(many, seed=0, replicates=1000)

    assert lo == pytest.approx(0.5 - 0.0179, abs=0.003)
    assert hi == pytest.approx(0.5 + 0.0179, abs=0.003)


def test_the_bootstrap_of_no_change_is_zero():
    assert paired_bootstrap({"a": [0, 0], "b": [0]}, seed=0) == (0.0, 0.0)


def test_the_bootstrap_refuses_an_empty_problem():
    with pytest.raises(ValueError, match="at least one problem"):
        paired_bootstrap({}, seed=0)
    with pytest.raises(ValueError, match="at least one problem"):
        paired_bootstrap({"a": []}, seed=0)


@pytest.mark.parametrize(("n", "discordant"), [(300, 0.2), (1163, 0.35), (100, 0.5), (2000, 0.05)])
def test_the_smallest_detectable_difference_solves_connors_equation(n, discordant):
    d = smallest_detectable(n, discordant)

    needed = (Z95 * math.sqrt(discordant) + Z80 * math.sqrt(discordant - d * d)) ** 2 / (d * d)
    assert needed == pytest.approx(n, rel=1e-9)


def test_the_smallest_detectable_difference_is_shown_in_four_of_five_trials():
    n, discordant = 400, 0.3
    d = smallest_detectable(n, discordant)
    up = (discordant + d) / 2
    draws = np.random.default_rng(0).multinomial(n, [up, discordant - up, 1 - discordant], size=2000)

    shown = np.mean([mcnemar_exact(int(f), int(b)) < 0.05 for f, b, _ in draws])

    assert shown == pytest.approx(0.8, abs=0.05)


def test_the_smallest_detectable_difference_is_never_below_six_changes():
    assert smallest_detectable(300, 0.0) == 6 / 300
    assert smallest_detectable(5, 0.5) is None


def test_the_bootstrap_of_several_figures_is_that_of_each():
    rows = {str(i): [[(i * k) % 5 / 4 for k in (1, 2, 3)]] * (1 + i % 3) for i in range(40)}

    together = clustered_bootstrap(rows, seed=4)

    alone = [clustered_bootstrap({g: [[row[k]] for row in rs] for g, rs in rows.items()}, seed=4)[0] for k in range(3)]
    assert together == [pytest.approx(interval) for interval in alone]


def test_the_bootstrap_agrees_with_scipy():
    values = np.random.default_rng(2).random(80)
    ours = clustered_bootstrap({str(i): [[float(v)]] for i, v in enumerate(values)}, seed=0)[0]

    theirs = scipy_bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=0).confidence_interval
    assert tuple(theirs) == pytest.approx(ours, abs=0.003)


def test_the_bootstrap_refuses_rows_of_unequal_length():
    with pytest.raises(ValueError, match="as many figures"):
        clustered_bootstrap({"a": [[1.0], [1.0, 0.0]]}, seed=0)
    with pytest.raises(ValueError, match="at least one problem"):
        clustered_bootstrap({}, seed=0)


def test_shares_that_are_all_alike_are_not_certain():
    same = {str(i): [[1.0, 0.0, 1 / 3]] for i in range(20)}

    assert [wilson(20, 20), wilson(0, 20), wilson(20 / 3, 20)] == [
        pytest.approx(interval) for interval in clustered_shares(same, seed=0)
    ]


@pytest.mark.parametrize(("n", "right"), [(10, 0), (10, 1), (10, 4), (200, 17), (10, 10), (1, 1)])
def test_pass_at_k_agrees_with_the_papers_product(n, right):
    for k in range(1, n + 1):
        # Chen et al. (2021), figure 3: one less the product of 1 - k / i for i from n - right + 1 to n.
        product = 1.0 if n - right < k else 1 - np.prod(1 - k / np.arange(n - right + 1, n + 1))
        assert product == pytest.approx(pass_at(k, n, right))


def test_pass_at_k_is_unbiased():
    n, k, p = 6, 3, 0.3
    mean = sum(math.comb(n, c) * p**c * (1 - p) ** (n - c) * pass_at(k, n, c) for c in range(n + 1))

    assert 1 - (1 - p) ** k == pytest.approx(mean)


@pytest.mark.parametrize(("k", "n", "right"), [(0, 5, 1), (6, 5, 1), (2, 5, 6), (2, 5, -1)])
def test_pass_at_k_refuses_what_cannot_be(k, n, right):
    with pytest.raises(ValueError, match="pass@"):
        pass_at(k, n, right)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(p_values):
    np.testing.assert_allclose(multipletests(p_values, method="holm")[1], holm(p_values))


def test_holm_by_hand():
    # The textbook's four hypotheses: at 0.05 the first and the last are rejected. Times 4, 3, 2, 1 from the smallest; 0.03 * 2 passes what follows it.
    assert [0.03, 0.06, 0.06, 0.02] == pytest.approx(holm([0.01, 0.04, 0.03, 0.005]))
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_holm_refuses_what_is_no_p_value():
    with pytest.raises(ValueError, match="from 0 to 1"):
        holm([0.5, math.nan])
