"""The trend of a recipe's re-evaluations: a page that needs no network, Markdown, and lines for a terminal.

TrendFacts ──page──▶ HTML      ──markdown──▶ a Prefect artifact      spark([…]) ──▶ "▆▆▇▂"

Facts are those of `storage.reevaluations`, put in order by `flows.reeval`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypedDict

from evals.report.plots import ADAPTER, BASE, BROKEN, INK, MUTED, drawing, less, percent_axis, styled, svg
from evals.report.templates import rendered
from evals.report.text import cell, interval, percent, points

_BARS = "▁▂▃▄▅▆▇█"
_TICKS = 4


class Point(TypedDict):
    """One measure of a set; `champion` is None where the base was measured by itself, `alarm` what fell."""

    round: str
    at: str
    champion: str | None
    accuracy: float
    ci95: list[float]
    unreadable: float
    base: float
    alarm: list[str]
    accepted: str


class SetFacts(TypedDict):
    """One set over time; `against` and `tests` are those of its last measure, as `storage.reevaluations` has them."""

    name: str
    questions: int
    points: list[Point]
    against: Mapping[str, Any] | None
    tests: Mapping[str, Mapping[str, Any]] | None


class TrendFacts(TypedDict):
    """All sets of a recipe; `alarms` are the sentences of the last round's."""

    recipe: str
    round: str
    made_at: str
    champion: str | None
    command: str
    sets: list[SetFacts]
    alarms: list[str]


def page(facts: TrendFacts) -> str:
    """The trend as one HTML document: what the last round says stands first."""
    sets = [(one, course(one, place)) for place, one in enumerate(facts["sets"])]
    return rendered("trend.html.j2", facts=facts, sets=sets, word=word, row=row)


def markdown(facts: TrendFacts) -> str:
    """The last round and the way there, as Markdown."""
    who = facts["champion"] or "the base alone"
    lines = [f"# {cell(facts['recipe'])}: {'alarm' if facts['alarms'] else 'no alarm'}", ""]
    lines += [f"> **{cell(alarm)}**\n" for alarm in facts["alarms"]]
    lines += [f"Round {cell(facts['round'])}, {cell(who)}.", ""]
    for one in facts["sets"]:
        held = one["against"] or {}
        against = f", against {cell(held['name'])} ({percent(held['accuracy'])})" if held else ""
        lines += [f"## {cell(one['name'])}: {one['questions']} questions{against}", ""]
        lines += [f"{cell(test['reason'])}\n" for test in (one["tests"] or {}).values()]
        lines += [f"Changed since: {cell('; '.join(held['changed']))}.\n"] if held.get("changed") else []
        lines += [
            "| round | champion | accuracy | 95 % interval | base | unreadable | |",
            "|---|---|---:|---:|---:|---:|---|",
        ]
        lines += [f"| {' | '.join(map(cell, row(point)))} |" for point in reversed(one["points"])] + [""]
    return "\n".join([*lines, "Measure again:", "", f"    {facts['command']}", ""])


def row(point: Point) -> tuple[str, str, str, str, str, str, str]:
    """Round, champion, accuracy, interval, base, unreadable share, and what there is to say."""
    said = [f"alarm: {' and '.join(point['alarm'])}"] if point["alarm"] else []
    said += [f"accepted: {point['accepted']}"] if point["accepted"] else []
    return (
        point["round"],
        point["champion"] or "–",
        percent(point["accuracy"]) if point["champion"] else "–",
        interval(point["ci95"]),
        percent(point["base"]),
        percent(point["unreadable"]),
        "; ".join(said),
    )


def word(one: SetFacts) -> str:
    """What the last measure of a set is, in a word or two."""
    last = one["points"][-1]
    if last["alarm"]:
        return "alarm"
    if one["against"] is None or one["tests"] is None:
        return "nothing to hold it against yet"
    verdict, difference = one["tests"]["accuracy"]["verdict"], one["tests"]["accuracy"]["difference"]
    if any(test["verdict"] == "worse" for test in one["tests"].values()):
        return "accepted as it is" if last["accepted"] else "lower, but not when drawn again"
    if difference == 0:
        return "as it was"
    return f"{points(difference)} points, {'within noise' if verdict == 'cannot tell' else verdict}"


def spark(shares: Sequence[float]) -> str:
    """Shares in [0, 1] as a line of blocks, the lowest an eighth high."""
    return "".join(_BARS[min(len(_BARS) - 1, math.floor(share * len(_BARS)))] for share in shares)


def _spread(times: Sequence[float]) -> list[float]:
    """The times of rounds, rising, that have room for a label of their own: the first, and who is far enough from it.

    >>> _spread([0, 0.1, 1, 2, 3, 3.1])
    [0, 1, 2, 3]
    """
    least, found = (times[-1] - times[0]) / _TICKS, [times[0]]
    for time in times[1:]:
        if least and time - found[-1] > least:
            found.append(time)
    return found


@styled
def course(one: SetFacts, place: int) -> str:
    """Accuracy of champion and base over time, intervals, the reference, alarms; the unreadable share below."""
    import matplotlib.dates as dates

    figure, axes = drawing(3.3)
    axes.remove()
    axes, below = figure.subplots(2, sharex=True, height_ratios=(4, 1))
    found = one["points"]
    when = [dates.date2num(datetime.fromisoformat(point["at"]).astimezone(UTC)) for point in found]
    middle = [point["accuracy"] for point in found]
    low, high = ([point["ci95"][end] for point in found] for end in (0, 1))
    axes.plot(when, [point["base"] for point in found], "-", color=BASE, linewidth=1.4, marker="s", markersize=3.5)
    axes.errorbar(when, middle, [less(middle, low), less(high, middle)], color=ADAPTER, linewidth=1.8, marker="o",
                  markersize=5, elinewidth=1, clip_on=False, zorder=3)  # fmt: skip
    if one["against"]:
        axes.axhline(one["against"]["accuracy"], color=INK, linewidth=1, linestyle=(0, (4, 3)))
    for x, point in zip(when, found, strict=True):
        if point["alarm"]:
            axes.plot([x], [point["accuracy"]], "o", color=BROKEN, markersize=9, clip_on=False, zorder=4)
    for x, point, before in zip(when[1:], found[1:], found, strict=False):
        if point["champion"] != before["champion"]:
            axes.axvline(x, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
            axes.annotate(point["champion"] or "", (x, 0), (-3, 4), textcoords="offset points", ha="right",
                          color=MUTED, fontsize=9)  # fmt: skip
    below.plot(when, [point["unreadable"] for point in found], color=MUTED, linewidth=1.4, marker="o", markersize=3)
    below.set(ylim=(0, max(0.1, 1.2 * max(point["unreadable"] for point in found))), yticks=[0], yticklabels=["0"])
    below.set_title("unreadable", loc="left", color=MUTED, fontsize=9)
    axes.set(ylim=(0, 1))
    percent_axis(axes, "y")
    room = max((when[-1] - when[0]) * 0.04, 1 / 1440)
    below.set_xlim(when[0] - room, when[-1] + room)
    shown = _spread(when)
    hours = len({math.floor(x) for x in shown}) < len(shown)
    below.set_xticks(shown, [dates.num2date(x).strftime("%H:%M" if hours else "%Y-%m-%d") for x in shown])
    if hours:
        below.set_xlabel(f"from {dates.num2date(when[0]):%Y-%m-%d}, UTC", fontsize=9)
    for panel in (axes, below):
        panel.patch.set_alpha(0)
    said = f"Accuracy on {one['name']} from {percent(middle[0])} to {percent(middle[-1])} in {len(found)} rounds"
    return svg(figure, f"trend-{place}", said)
