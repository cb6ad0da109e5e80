"""The statistics of accuracies and their comparison, each small enough to check by hand.

Checked in the tests against scipy, statsmodels and published examples. All intervals are 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Z95 = 1.959963984540054  # standard normal quantile at 0.975
Z80 = 0.8416212335729143  # at 0.80: the power of `smallest_detectable`
ALPHA = 0.05
_CHUNK = 2_000_000  # draws held in memory at once
_BUDGET = 100_000_000  # draws in all: 10,000 replicates of up to 10,000 problems
_FEWEST = 1_000  # replicates, however many problems
_ENUMERATED = 16  # problems whose signs are all gone through
_HEAVIEST = 100  # a problem's share of all spread that a normal mean bears, as its inverse
_WHOLE = 1_000  # changes up to which McNemar's p is a quotient of whole numbers
_NORMAL = 10_000  # sizes of changes from which on their sum is normal


def wilson(k: float, n: float) -> tuple[float, float]:
    """Wilson's score interval of k successes in n trials; (0, 1) for n = 0, where nothing is known.

    Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22.
    Neither need be whole: the vote curve passes sums of shares, clustered trials an effective number.
    """
    if not 0 <= k <= n + 1e-9:
        raise ValueError(f"{k} successes in {n} trials")
    if n == 0:
        return 0.0, 1.0
    p, z2 = min(k / n, 1.0), Z95 * Z95
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, centre - half) if k else 0.0, min(1.0, centre + half) if k < n else 1.0


def mcnemar_exact(fixed: int, broken: int) -> float:
    """Two-sided exact p that `fixed` against `broken` came of a fair coin; 1 where nothing changed.

    McNemar (1947), Psychometrika 12, with the binomial in place of the chi-square: twice the smaller
    tail of Binomial(fixed + broken, 1/2), at most 1. Questions on which both agree carry no weight.
    """
    n, fewer = fixed + broken, min(fixed, broken)
    if n > _WHOLE:
        term = tail_of_last = 1.0
        for i in range(fewer, 0, -1):  # each of the last by a ratio: whole numbers of thousands of digits take seconds
            term *= i / (n - i + 1)
            tail_of_last += term
            if term < 1e-17 * tail_of_last:
                break
        return min(1.0, 2 * (math.comb(n, fewer) / (1 << n)) * tail_of_last)
    tail = ways = 1
    for i in range(fewer):  # each from the last, in whole numbers until the one division
        ways = ways * (n - i) // (i + 1)
        tail += ways
    return min(1.0, (2 * tail) / (1 << n))


def sign_flip(differences: Mapping[str, Sequence[float]], seed: int, replicates: int = 20_000) -> float:
    """Two-sided p of the mean difference when each problem's differences change sign together at random.

    Where neither side is better, a problem's difference is as likely as its negative. Fisher (1935), "The design
    of experiments", section 21; by cluster as in Canay, Romano and Shaikh (2017), Econometrica 85. All signs are
    gone through where at most 16 problems differ, else drawn, and p is then (1 + as far out) / (1 + replicates):
    Phipson and Smyth (2010). With single differences of equal size it is `mcnemar_exact`. Of changes of more than
    10,000 sizes the sum is normal, and nothing is drawn.
    """
    import numpy as np

    sums = np.abs([math.fsum(of) for _, of in sorted(differences.items())])
    seen = abs(math.fsum(math.fsum(of) for of in differences.values())) * (1 - 1e-12) - 1e-12
    sums = sums[sums > 1e-12]
    if not len(sums):
        return 1.0
    sizes, times = np.unique(np.round(sums, 12), return_counts=True)
    if len(sizes) == 1:
        tail = math.ceil((len(sums) + seen / sizes[0]) / 2 - 1e-9)
        return mcnemar_exact(tail, len(sums) - tail) if 2 * tail > len(sums) else 1.0
    if len(sums) <= _ENUMERATED:
        signs = 1 - 2 * ((np.arange(1 << len(sums))[:, None] >> np.arange(len(sums))) & 1)
        return float((np.abs(signs @ sums) >= seen).mean())
    rng, out = np.random.default_rng(seed), 0
    if len(sizes) > _NORMAL:
        return math.erfc(seen / math.sqrt(2 * math.fsum(sums * sums)))
    rows = max(1, _CHUNK // len(sizes))
    for start in range(0, replicates, rows):
        # problems of one size change the sum by as many as fell to one side: one draw for all of them
        plus = rng.binomial(times, 0.5, size=(min(rows, replicates - start), len(sizes)))
        out += int((np.abs((2 * plus - times) @ sizes) >= seen).sum())
    return (1 + out) / (1 + replicates)


def paired_bootstrap(
    differences: Mapping[str, Sequence[float]], seed: int, replicates: int = 10_000
) -> tuple[float, float]:
    """Percentile interval of the mean difference, problems drawn with replacement, whole.

    `differences` holds for each problem the differences of its questions: -1, 0, 1, or of scores. Questions of one
    problem rise and fall together, so the problem is the unit that is drawn: Cameron, Gelbach and
    Miller (2008), "Bootstrap-based improvements for inference with clustered errors"; percentiles as
    in Efron and Tibshirani (1993), chapter 13. The groups' order does not matter.
    """
    if not differences or not all(differences.values()):
        raise ValueError("paired_bootstrap: expected at least one problem and a difference in each")
    groups = sorted(differences)
    sums, sizes = [[math.fsum(differences[g])] for g in groups], [len(differences[g]) for g in groups]
    return _intervals(sums, sizes, seed, replicates)[0]


def clustered_bootstrap(
    figures: Mapping[str, Sequence[Sequence[float]]], seed: int, replicates: int = 10_000
) -> list[tuple[float, float]]:
    """Percentile intervals of the means of several figures, problems drawn with replacement, whole.

    `figures` holds for each problem one row a question, each of the same K figures, such as the accuracy
    of k = 1..K votes; K intervals come back. All figures see the same draws. Sources as of
    `paired_bootstrap`. Of more than 10,000 problems, hardly two alike, the mean is normal, and nothing is drawn.
    ValueError without problems, without a row in one, or with rows of unequal length.
    """
    if not figures or not all(figures.values()):
        raise ValueError("clustered_bootstrap: expected at least one problem and a row in each")
    if len({len(row) for rows in figures.values() for row in rows}) != 1:
        raise ValueError("clustered_bootstrap: expected as many figures in each row")
    groups = sorted(figures)
    sums = [[math.fsum(of) for of in zip(*figures[g], strict=True)] for g in groups]
    return _intervals(sums, [len(figures[g]) for g in groups], seed, replicates)


def _intervals(of: Any, counts: Any, seed: int, replicates: int) -> list[tuple[float, float]]:
    """Intervals of K means from the sums of each problem (problems x K) and its questions (problems)."""
    import numpy as np

    sums, sizes = np.array(of, dtype=np.float64), np.array(counts, dtype=np.float64)
    problems = len(sizes)
    rng = np.random.default_rng(seed)
    if problems * replicates > _BUDGET:
        kinds, alike = np.unique(np.column_stack([sums, sizes]), axis=0, return_counts=True)
        if len(kinds) * replicates <= _BUDGET:
            times = rng.multinomial(problems, alike / problems, size=replicates).astype(np.float64)
            return _bounds([(times @ kinds[:, :-1]) / (times @ kinds[:, -1])[:, None]])
        if (normal := _normal(sums, sizes)) is not None:
            return normal
        replicates = max(_FEWEST, _BUDGET // problems)
    rows = max(1, _CHUNK // problems)
    means = []
    for start in range(0, replicates, rows):
        drawn = rng.integers(problems, size=(min(rows, replicates - start), problems))
        drawn += np.arange(len(drawn))[:, None] * problems
        times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.float64)
        means.append((times @ sums) / (times @ sizes)[:, None])
    return _bounds(means)


def _normal(sums: Any, sizes: Any) -> list[tuple[float, float]] | None:
    """Intervals of means of very many problems, by their standard errors clustered by problem.

    None where one problem has more than a hundredth of a figure's spread: such a mean need not be normal.
    """
    import numpy as np

    means = sums.sum(axis=0) / sizes.sum()
    spread = (sums - means * sizes[:, None]) ** 2
    if (spread.max(axis=0) > spread.sum(axis=0) / _HEAVIEST).any():
        return None
    half = Z95 * np.sqrt(spread.sum(axis=0)) / sizes.sum()
    return [(float(mean - by), float(mean + by)) for mean, by in zip(means, half, strict=True)]


def _bounds(means: Sequence[Any]) -> list[tuple[float, float]]:
    import numpy as np

    bounds = np.quantile(np.concatenate(means), [ALPHA / 2, 1 - ALPHA / 2], axis=0)
    return [(float(lo), float(hi)) for lo, hi in bounds.T]


def clustered_shares(figures: Mapping[str, Sequence[Sequence[float]]], seed: int) -> list[tuple[float, float]]:
    """`clustered_bootstrap` of shares in [0, 1], with Wilson's interval over problems where that says nothing.

    Where all problems have the same share there is no spread to draw from, and the bootstrap would be
    certain after one problem; Wilson's interval, each problem one trial, then stands instead.
    """
    n = len(figures)
    return [
        (lo, hi) if hi - lo > 1e-9 else wilson(min(max(lo, 0.0), 1.0) * n, n)
        for lo, hi in clustered_bootstrap(figures, seed)
    ]


def pass_at(k: int, n: int, right: int) -> float:
    """The chance that at least one of k replies is right, unbiased, from n replies of which `right` are.

    Chen et al. (2021), "Evaluating large language models trained on code", arXiv 2107.03374:
    1 - C(n - right, k) / C(n, k), the share of k-subsets that hold a right one. ValueError unless
    1 <= k <= n and 0 <= right <= n.
    """
    if not (1 <= k <= n and 0 <= right <= n):
        raise ValueError(f"pass@{k} of {n} replies, {right} right")
    return 1 - math.comb(n - right, k) / math.comb(n, k)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for several comparisons, in their order: below alpha means below alpha for all.

    Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6: the i-th smallest of m times m - i + 1, at most 1, and never below a smaller one's. The
    chance of any false finding stays below alpha however the tests depend on each other.
    """
    if any(not 0 <= p <= 1 for p in p_values):
        raise ValueError(f"p-values {list(p_values)}; expected shares from 0 to 1")
    adjusted, floor, m = [0.0] * len(p_values), 0.0, len(p_values)
    for rank, i in enumerate(sorted(range(m), key=p_values.__getitem__)):
        floor = max(floor, min(1.0, (m - rank) * p_values[i]))
        adjusted[i] = floor
    return adjusted


def smallest_detectable(n: int, discordant: float) -> float | None:
    """The smallest true difference that n pairs show with 80 % power at 5 %; None if none can be shown.

    `discordant` is the share of pairs on which the two sides differ. Connor (1987), Biometrics 43:
    n = (z_a sqrt(d) + z_b sqrt(d - D^2))^2 / D^2, solved for D. It is never below 6 / n: fewer than six
    changes, all to one side, cannot reach p < 0.05. Clustering is not in it, so it is a floor.
    """
    if n < 6:
        return None
    zz = Z95 * Z95 - Z80 * Z80
    root = math.sqrt(n * Z95 * Z95 - (n + Z80 * Z80) * zz)
    difference = math.sqrt(discordant) * (math.sqrt(n) * Z95 + root) / (n + Z80 * Z80)
    return min(1.0, max(difference, 6 / n))


def smallest_detectable_mean(differences: Mapping[str, Sequence[float]]) -> float | None:
    """The smallest true mean difference of scores seen with 80 % power at 5 %; None below six problems.

    (z_a + z_b) times the standard error of the mean clustered by problem, as these differences spread.
    """
    n = sum(map(len, differences.values()))
    if len(differences) < 6:
        return None
    mean = math.fsum(math.fsum(of) for of in differences.values()) / n
    spread = math.fsum(math.fsum(d - mean for d in of) ** 2 for of in differences.values())
    return (Z95 + Z80) * math.sqrt(spread) / n
