"""Plots as inline SVG that takes its colours and fonts from the page.

matplotlib draws with sentinel colours; each is then replaced by a CSS variable, so that one drawing
serves light, dark and print. The same facts give the same bytes: fixed hash salt, no date, and ids
that begin with the plot's name, for several drawings share one page. Sizes suit a phone: text stays
readable at 350 pixels.
"""

from __future__ import annotations

import functools
import io
import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, ParamSpec
from xml.sax.saxutils import quoteattr

from evals.evaluation import Compared, EvaluationFacts, Measure, Subject, subjects
from evals.report.facts import CourseKey, StepRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
INK, MUTED, GRID, BASE, ADAPTER, PAPER = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
FIXED, BROKEN = "#070707", "#080808"
OTHERS = ("#090909", "#0a0a0a", "#0b0b0b", "#0c0c0c")
COLOURS = {"base": BASE, "adapter": ADAPTER, **{f"other-{n}": colour for n, colour in enumerate(OTHERS)}}
_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--rule",
    BASE: "--base",
    ADAPTER: "--adapter",
    PAPER: "--card",
    FIXED: "--fixed",
    BROKEN: "--broken",
    **{colour: f"--other-{n}" for n, colour in enumerate(OTHERS)},
}
_WIDTH = 5.2  # inches: about 374 units, near a phone's width
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ponens",
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "text.parse_math": False,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
}


def styled(draw: Callable[P, str]) -> Callable[P, str]:
    """A plot drawn wholly in the page's style: text takes its style when it is made."""

    @functools.wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> str:
        import matplotlib

        with matplotlib.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return styled


@styled
def accuracy(evaluation: EvaluationFacts) -> str:
    """Accuracy of every subject with its 95 % interval, by vote; greedy, single and forced as small marks."""
    shown = subjects(evaluation)
    figure, axes = drawing(0.86 + 0.72 * len(shown))
    marks: dict[Measure, str] = {"single_accuracy": "s", "greedy_accuracy": "d", "forced_accuracy": "x"}
    for y, one in zip(range(len(shown) - 1, -1, -1), shown, strict=True):
        (lo, hi), middle, colour = one.side["ci95"], one.side["accuracy"], COLOURS[one.style]
        axes.plot([lo, hi], [y, y], color=colour, linewidth=7, alpha=0.3, solid_capstyle="butt")
        axes.plot([middle], [y], "o", color=colour, markersize=10, clip_on=False, zorder=3)
        axes.text(min(0.94, max(0.06, middle)), y + 0.22, _percent(middle), ha="center", va="bottom", color=INK,
                  weight="bold")  # fmt: skip
        for key, shape in marks.items():
            if (value := one.side[key]) is not None:
                axes.plot([value], [y - 0.27], shape, color=MUTED, markersize=5, markeredgewidth=1.4, clip_on=False)
    handles = [axes.plot([], [], shape, color=MUTED, markersize=6)[0] for shape in marks.values()]
    figure.legend(handles, ["single sample", "greedy", "forced letter"], ncols=3, frameon=False, labelcolor=MUTED,
                  fontsize=9.5, loc="outside lower center", handletextpad=0.1, columnspacing=1.2)  # fmt: skip
    names = [_short(one.label) for one in reversed(shown)]
    axes.set(xlim=(0, 1), ylim=(-0.55, len(shown) - 0.3), yticks=range(len(shown)), yticklabels=names)
    percent_axis(axes, "x")
    return svg(figure, "accuracy", "Accuracy by majority vote of " + " and ".join(names[::-1]) + ", 95 % intervals")


@styled
def curves(evaluation: EvaluationFacts, kind: Literal["vote", "pass"]) -> str:
    """vote@k or pass@k of every subject with 95 % bands, one figure a kind. Empty without points."""
    found = [(one, one.curve if kind == "vote" else one.passes) for one in subjects(evaluation)]
    drawn = [(one, points) for one, points in found if points]
    if not drawn:
        return ""
    figure, axes = drawing(2.9)
    for one, points in drawn:
        k, middle, lo, hi = (list(column) for column in zip(*points, strict=True))
        colour = COLOURS[one.style]
        axes.fill_between(k, lo, hi, color=colour, alpha=0.16, linewidth=0)
        axes.errorbar(k, middle, [less(middle, lo), less(hi, middle)], color=colour, linewidth=2, marker="o",
                      markersize=4.5, elinewidth=1, clip_on=False, zorder=3)  # fmt: skip
    most = int(max(points[-1][0] for _, points in drawn))
    named = len(drawn) <= 2  # of more curves the ends lie too close together: the page has a legend
    for (one, points), height in zip(drawn, _apart([points[-1][1] for _, points in drawn], 0.09), strict=True):
        if named:
            axes.text(points[-1][0] + 0.05 * max(most, 2), height, one.label, va="center", color=COLOURS[one.style])
    ticks = range(1, most + 1, max(1, math.ceil(most / 8)))
    axes.set(ylim=(0, 1), xlim=(0.85, max(most, 2) * (1.25 if named else 1.03)), xticks=ticks, xlabel="k")
    percent_axis(axes, "y")
    said = "Accuracy of the majority of k votes" if kind == "vote" else "Share of questions with a right one among k"
    return svg(figure, f"{kind}-curve", f"{said}, 95 % intervals")


@styled
def flips(shown: Sequence[Compared]) -> str:
    """How many questions each adapter fixed and how many it broke, as two bars from one line."""
    figure, axes = drawing(0.55 + 0.62 * len(shown))
    pairs = [one.paired for one in shown if one.paired]
    widest = max(1, *(max(p["fixed"], p["broken"]) for p in pairs))
    for y, paired in zip(range(len(pairs) - 1, -1, -1), pairs, strict=True):
        for sign, count, colour in ((1, paired["fixed"], FIXED), (-1, paired["broken"], BROKEN)):
            axes.barh([y], [sign * count], color=colour, height=0.56)
            name = "fixed" if sign > 0 else "broken"
            axes.annotate(f"{count} {name}", (sign * count, y), (sign * 6, 0), textcoords="offset points",
                          va="center", ha="left" if sign > 0 else "right", color=INK, weight="bold")  # fmt: skip
    left = max(*(p["broken"] for p in pairs), widest * 0.06) + widest * 0.42  # room for the counts
    right = max(*(p["fixed"] for p in pairs), widest * 0.06) + widest * 0.42
    names = [_short(one.label) for one in reversed(shown)] if len(shown) > 1 else []
    axes.set(xlim=(-left, right), ylim=(-0.5, len(pairs) - 0.5), xticks=[], yticks=range(len(names)),
             yticklabels=names)  # fmt: skip
    axes.axvline(0, color=INK, linewidth=1)
    axes.spines["bottom"].set_visible(False)
    said = "; ".join(
        f"{one.label}: {p['fixed']} fixed, {p['broken']} broken" for one, p in zip(shown, pairs, strict=True)
    )
    return svg(figure, "flips", said)


@styled
def reliability(subject: Subject) -> str:
    """Accuracy of winners against their share of the votes, Wilson's intervals, counts below. Empty without a winner.

    A point on the diagonal is an answer as sure as it says; above it, surer.
    """
    bins = subject.side["calibration"]["bins"]
    if not bins:
        return ""
    figure, axes = drawing(3.5)
    axes.remove()
    axes, below = figure.subplots(2, sharex=True, height_ratios=(4, 1))
    _, _, n, share, middle, lo, hi = (list(column) for column in zip(*bins, strict=True))
    colour = COLOURS[subject.style]
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
    axes.errorbar(share, middle, [less(middle, lo), less(hi, middle)], color=colour, linestyle="none", marker="o",
                  markersize=6.5, elinewidth=1.4, clip_on=False, zorder=3)  # fmt: skip
    below.bar(share, n, width=0.05, color=colour, alpha=0.45)
    for x, one in zip(share, n, strict=True):
        below.annotate(f"{one:.0f}", (x, one), (0, 2), textcoords="offset points", ha="center", color=MUTED, fontsize=9)
    below.set(ylim=(0, 1.35 * max(n)), yticks=[], ylabel="questions")
    axes.set(xlim=(0, 1.03), ylim=(0, 1), ylabel="right")
    for one in (axes, below):
        one.patch.set_alpha(0)
        percent_axis(one, "x")
    percent_axis(axes, "y")
    figure.align_ylabels()
    return svg(figure, f"calibration-{subject.style}", f"Accuracy of {subject.label} by the winner's share of votes")


@styled
def slices(shown: Sequence[Subject], by: str) -> str:
    """Base and adapters on each part of the questions, as dots on a line with Wilson's intervals."""
    parts = [one for one in shown[0].slices if one["by"] == by]
    figure, axes = drawing(0.5 + len(parts) * (0.3 + 0.13 * len(shown)))
    step = 0.7 / (len(shown) + 1)
    for number, one in enumerate(shown):
        for part in one.slices:
            if part["by"] == by:
                y = len(parts) - 1 - [p["name"] for p in parts].index(part["name"])
                if number == 0:
                    _dot(axes, y + 0.35 - step, part["base"], part["base_ci95"], BASE)
                _dot(axes, y + 0.35 - step * (number + 2), part["adapter"], part["adapter_ci95"], COLOURS[one.style])
    for y in range(1, len(parts)):
        axes.axhline(y - 0.5, color=GRID, linewidth=0.8)
    labels = [f"{_short(part['name'])} · {part['n']}" for part in reversed(parts)]
    axes.set(xlim=(0, 1), ylim=(-0.5, len(parts) - 0.5), yticks=range(len(parts)), yticklabels=labels)
    percent_axis(axes, "x")
    return svg(figure, f"slices-{re.sub(r'[^a-z0-9]', '', by.lower())}", f"Accuracy by {by}, 95 % intervals")


@styled
def course(rows: Sequence[StepRow], key: CourseKey, label: str) -> str:
    """One quantity of a training over its steps, memory in GiB; beside the loss, the validation loss as dots.

    Empty without two points.
    """
    points = [(row["step"], _scaled(key, row[key])) for row in rows if key in row]
    if len(points) < 2:
        return ""
    figure, axes = drawing(2.2)
    axes.plot(*zip(*points, strict=True), color=ADAPTER, linewidth=1.8)
    if key == "loss" and (valid := [(row["step"], row["valid_loss"]) for row in rows if "valid_loss" in row]):
        axes.plot(*zip(*valid, strict=True), "o-", color=BASE, markersize=5, linewidth=1.4)
        axes.annotate("validation", valid[-1], (-7, 7), textcoords="offset points", ha="right", color=BASE)
    axes.set(xlabel="step", ylim=(0, None))
    axes.grid(axis="y")
    axes.locator_params(axis="y", nbins=4)
    first, last = points[0][1], points[-1][1]
    return svg(figure, f"course-{key}", f"{label} by step, from {first:.3g} to {last:.3g}")


def _scaled(key: CourseKey, value: float) -> float:
    return value / 2**30 if key == "memory" else value


def _dot(axes: Axes, y: float, middle: float, ends: Sequence[float], colour: str) -> None:
    axes.plot(ends, [y, y], color=colour, linewidth=4, alpha=0.3, solid_capstyle="butt")
    axes.plot([middle], [y], "o", color=colour, markersize=6.5, clip_on=False, zorder=3)


def less(upper: Sequence[float], lower: Sequence[float]) -> list[float]:
    """Lengths of error bars, none below 0."""
    return [max(0.0, u - v) for u, v in zip(upper, lower, strict=True)]


def _apart(heights: Sequence[float], least: float) -> list[float]:
    """The heights moved so that neighbours are `least` apart: names at the ends of curves that nearly meet."""
    placed = list(heights)
    for upper, lower in itertools.pairwise(sorted(range(len(heights)), key=heights.__getitem__, reverse=True)):
        placed[lower] = min(heights[lower], placed[upper] - least)
    return placed


def drawing(height: float) -> tuple[Figure, Axes]:
    """A figure of the page's width and so many inches of height, with its axes."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    return figure, axes


def svg(figure: Figure, name: str, label: str) -> str:
    """The figure as SVG in the page's colours; `name` is unique on its page, `label` says what there is to see."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'(\sid="|url\(#|xlink:href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r"(font(?:-family)?:[^;\"]*?)'DejaVu Sans'[^;\"]*", r"\1var(--sans)", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    box = re.search(r'viewBox="[^"]*"', text)
    opening = f'<svg class="plot" role="img" aria-label={quoteattr(label)} {box[0] if box else ""}'
    return opening + ' xmlns:xlink="http://www.w3.org/1999/xlink">' + text[text.index(">") + 1 :]


def percent_axis(axes: Axes, axis: str) -> None:
    """Quarters of a whole as ticks of the axis "x" or "y"."""
    ticks, labels = [0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"]
    if axis == "x":
        axes.set_xticks(ticks, labels)
        axes.grid(axis="x")
        axes.tick_params(axis="y", pad=9)  # room for half a dot at 0
    else:
        axes.set_yticks(ticks, labels)
        axes.grid(axis="y")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _short(text: str) -> str:
    return text if len(text) <= 18 else text[:17] + "…"
