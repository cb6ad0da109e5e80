"""The plot of a trend: dates that can be told apart however few rounds there are, and no words of the library's."""

import re
import warnings

import pytest

from evals.report import plots, trend


def at(*times: str) -> trend.SetFacts:
    points: list[trend.Point] = [
        {"round": time, "at": f"2026-{time}:00+00:00", "champion": None, "accuracy": 0.5, "ci95": [0.4, 0.6],
         "unreadable": 0.0, "base": 0.5, "alarm": [], "accepted": ""}
        for time in times
    ]  # fmt: skip
    return {"name": "test", "questions": 40, "points": points, "against": None, "tests": None}


@pytest.mark.parametrize(
    ("labels", "times"),
    [
        (["2026-11-30"], ["11-30T10:30"]),
        (["2026-11-30"], ["11-30T10:30", "11-30T10:30"]),
        (["10:30", "10:31"], ["11-30T10:30", "11-30T10:31"]),
        (["2026-11-29", "2026-11-30"], ["11-29T10:30", "11-30T10:31"]),
        (["2026-01-01", "2026-06-01", "2026-11-30"], ["01-01T00:00", "01-02T00:00", "06-01T00:00", "11-30T00:00"]),
    ],
)
def test_rounds_are_labelled_by_day_or_by_hour_without_a_warning(labels: list[str], times: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg = trend.course(at(*times), 0)

    assert labels == re.findall(r">(\d{4}-\d\d-\d\d|\d\d:\d\d)</text>", svg)
    assert ("from 2026-11-30, UTC" in svg) == (":" in labels[0])


def test_the_names_of_an_axis_of_shares_stand_clear_of_a_dot_at_0() -> None:
    _, axes = plots.drawing(1)
    plots.percent_axis(axes, "x")

    assert 10 / 2 < axes.yaxis.get_tick_params()["pad"]
