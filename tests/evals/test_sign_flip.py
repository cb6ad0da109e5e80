"""The sign-flip test and the bootstrap of many problems against scipy and statsmodels."""

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, permutation_test
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.power import normal_power

from evals import stats
from evals.stats import clustered_bootstrap, mcnemar_exact, sign_flip, smallest_detectable_mean


def alone(values):
    return {f"p{n}": [float(value)] for n, value in enumerate(values)}


@given(st.integers(0, 30), st.integers(0, 30))
def test_single_changes_of_one_size_are_mcnemar_s_test(fixed, broken):
    assert mcnemar_exact(fixed, broken) == pytest.approx(sign_flip(alone([1] * fixed + [-1] * broken + [0] * 5), 1))
    assert mcnemar_exact(fixed, broken) == pytest.approx(sign_flip(alone([0.3] * fixed + [-0.3] * broken), 1))


@pytest.mark.parametrize("n", [3, 9, 13])
def test_few_problems_agree_with_scipy_exactly(n):
    values = np.random.default_rng(n).normal(0.4, 1, n)
    scipy = permutation_test((values,), lambda x, axis: x.mean(axis), permutation_type="samples", n_resamples=np.inf)

    assert scipy.pvalue == pytest.approx(sign_flip(alone(values), 1))


@pytest.mark.parametrize(("shift", "n"), [(0.0, 60), (0.2, 60), (0.4, 40)])
def test_more_problems_agree_with_scipy_within_the_error_of_drawing(shift, n):
    values = np.random.default_rng(n).normal(shift, 1, n)
    scipy = permutation_test((values,), lambda x, axis: x.mean(axis), permutation_type="samples", n_resamples=20_000,
                             rng=np.random.default_rng(1))  # fmt: skip

    assert scipy.pvalue == pytest.approx(sign_flip(alone(values), 1), abs=0.015)


def test_questions_of_one_problem_change_sign_together():
    values = np.random.default_rng(5).normal(0.5, 1, 8)

    assert sign_flip(alone(values), 1) == pytest.approx(
        sign_flip({g: [v / 2] * 2 for g, [v] in alone(values).items()}, 1)
    )


def test_nothing_that_changed_is_no_evidence():
    assert (1.0, 1.0) == (sign_flip(alone([0, 0]), 1), sign_flip({"p": [0.1, -0.1]}, 1))
    assert 1.0 == sign_flip(alone([0.5, -0.5]), 1)


@pytest.mark.parametrize(("fixed", "broken"), [(30_000, 29_000), (600, 500)])
def test_mcnemar_of_thousands_agrees_with_scipy_and_takes_no_second(fixed, broken):
    start = time.perf_counter()
    p = mcnemar_exact(fixed, broken)

    assert time.perf_counter() - start < 2
    assert binomtest(fixed, fixed + broken).pvalue == pytest.approx(p, rel=1e-6)


def test_the_interval_of_many_problems_is_that_of_the_normal_distribution():
    draw = np.random.default_rng(2)
    for values in (draw.choice([-1, 0, 1], 30_000, p=[0.05, 0.85, 0.1]), draw.normal(0.1, 1, 30_000)):
        [(low, high)] = clustered_bootstrap({str(n): [[value]] for n, value in enumerate(values)}, 1)
        half = 1.96 * values.std() / math.sqrt(len(values))

        assert (values.mean() - half, values.mean() + half) == pytest.approx((low, high), abs=half * 0.12)


def test_the_interval_of_very_many_problems_is_statsmodels_clustered_one_unless_one_problem_outweighs_all(monkeypatch):
    monkeypatch.setattr(stats, "_BUDGET", 100_000)  # very many are then few
    draw = np.random.default_rng(3)
    groups = {
        str(n): [[value] for value in draw.normal(draw.normal(0.1, 0.5), 1, draw.integers(1, 4))] for n in range(2_000)
    }
    values, names = zip(*((value, int(n)) for n, of in groups.items() for [value] in of), strict=True)
    fitted = OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": names, "use_correction": False}
    )

    assert [tuple(fitted.conf_int()[0])] == [pytest.approx(one) for one in clustered_bootstrap(groups, 1)]

    [(low, high)] = clustered_bootstrap(groups | {"0": [[500.0]]}, 1)
    mean = (sum(values) + 500 - sum(value for [value] in groups["0"])) / (len(values) + 1 - len(groups["0"]))
    assert high - mean > 1.5 * (mean - low)  # a normal one lies evenly about the mean


def test_the_smallest_mean_difference_has_four_fifths_of_power():
    values = np.random.default_rng(4).normal(0, 0.3, 400)
    smallest = smallest_detectable_mean(alone(values))

    assert 0.8 == pytest.approx(normal_power(smallest / values.std(), 400, 0.05), abs=1e-3)
    assert smallest_detectable_mean(alone(values[:5])) is None
