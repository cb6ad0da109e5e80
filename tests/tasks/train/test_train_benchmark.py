"""The arithmetic of the training benchmark's utilisation."""

import pytest

from benchmarks.train import SHAPES, flops_per_token, rows, utilisation


def test_operations_a_token_are_six_a_parameter_and_four_where_weights_are_frozen() -> None:
    seven = SHAPES["7b"]
    attention = 6 * 28 * 3584 * 2048

    assert flops_per_token(7_000_000_000, 28, 3584, 2048, frozen=False) == 42e9 + attention
    assert flops_per_token(7_000_000_000, 28, 3584, 2048, frozen=True) == 28e9 + attention
    assert seven["layers"] * seven["hidden"] == 28 * 3584


def test_utilisation_is_the_share_of_the_peak() -> None:
    assert utilisation(10_000, 30e9, 989e12) == pytest.approx(0.3033, abs=1e-4)


def test_rows_are_the_same_for_every_contestant_and_uneven() -> None:
    lengths = [len(row["prompt"][0]["content"].split()) for row in rows(200, 1)]

    assert rows(5, 1) == rows(5, 1)
    assert max(lengths) > 3 * sorted(lengths)[100]
