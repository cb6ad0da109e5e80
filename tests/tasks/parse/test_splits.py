"""Splits that came out far from what was asked for are told of."""

import pytest

from tasks.parse.splits import uneven


@pytest.mark.parametrize(
    ("told", "splits", "valid", "test"),
    [
        (["valid", "test"], {"train": 6, "valid": 3, "test": 1}, 0.1, 0.3),
        (["test"], {"train": 40, "valid": 0, "test": 0}, 0.0, 0.2),
        ([], {"train": 6, "valid": 1, "test": 3}, 0.1, 0.3),
        ([], {"train": 5, "valid": 0, "test": 1}, 0.05, 0.2),  # a third of a row cannot be had
        ([], {"train": 0, "valid": 0, "test": 9}, 0.0, 1.0),
        ([], {"train": 0, "valid": 0, "test": 0}, 0.05, 0.2),
    ],
)
def test_a_share_is_told_of_where_it_is_less_than_half_or_more_than_twice(told, splits, valid, test):
    found = uneven(splits, valid, test)

    assert told == [warning["message"].partition(":")[0] for warning in found]
    assert not told or f"{splits['test']} of {sum(splits.values())} rows" in found[-1]["message"]
