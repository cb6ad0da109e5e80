"""Plots as inline SVG that takes its colours and fonts from the page.

matplotlib draws with sentinel colours; each is then replaced by a CSS variable, so that one drawing
serves light, dark and print. The same facts give the same bytes: fixed hash salt, no date, and ids
that begin with the plot's name, for several drawings share one page. Sizes suit a phone: text stays
readable at 350 pixels.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ParamSpec
from xml.sax.saxutils import quoteattr

from evals.facts import CourseKey, EvaluationFacts, Measure, SliceFacts, StepRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
INK, MUTED, GRID, BASE, ADAPTER, PAPER = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
FIXED, BROKEN = "#070707", "#080808"
_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--rule",
    BASE: "--base",
    ADAPTER: "--adapter",
    PAPER: "--card",
    FIXED: "--fixed",
    BROKEN: "--broken",
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


def _styled(draw: Callable[P, str]) -> Callable[P, str]:
    """A plot drawn wholly in the page's style: text takes its style when it is made."""

    @functools.wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> str:
        import matplotlib

        with matplotlib.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return styled


@_styled
def accuracy(evaluation: EvaluationFacts) -> str:
    """Accuracy of both sides with 95 % intervals, by vote; greedy, single and forced as small marks."""
    figure, axes = _figure(2.4)
    marks: dict[Measure, str] = {"single_accuracy": "s", "greedy_accuracy": "d", "forced_accuracy": "x"}
    for y, name, colour in ((1, "base", BASE), (0, "adapter", ADAPTER)):
        side = evaluation["base"] if name == "base" else evaluation["adapter"]
        lo, hi = side["ci95"]
        axes.plot([lo, hi], [y, y], color=colour, linewidth=7, alpha=0.3, solid_capstyle="round")
        axes.plot([side["accuracy"]], [y], "o", color=colour, markersize=11)
        at = min(0.94, max(0.06, side["accuracy"]))
        axes.text(at, y + 0.26, _percent(side["accuracy"]), ha="center", va="bottom", color=INK, weight="bold")
        for key, shape in marks.items():
            value = side[key]
            if value is not None:
                axes.plot([value], [y - 0.26], shape, color=MUTED, markersize=5, markeredgewidth=1.4)
    handles = [axes.plot([], [], shape, color=MUTED, markersize=6)[0] for shape in marks.values()]
    axes.legend(handles, ["single sample", "greedy", "forced letter"], ncols=3, frameon=False,
                labelcolor=MUTED, fontsize=9.5, loc="upper center", bbox_to_anchor=(0.46, -0.13),
                handletextpad=0.1, columnspacing=1.2)  # fmt: skip
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.6, 1.75), yticks=[0, 1], yticklabels=["adapter", "base"])
    _percent_axis(axes, "x")
    return _svg(figure, "accuracy", "Accuracy by majority vote of base and adapter with 95 % intervals")


@_styled
def vote_curve(evaluation: EvaluationFacts) -> str:
    """Accuracy of the majority of k votes, both sides, with 95 % bands. Empty without points."""
    curves = evaluation["curves"]
    if not curves["base"] and not curves["adapter"]:
        return ""
    ends = {
        name: points[-1][1] for name, points in (("base", curves["base"]), ("adapter", curves["adapter"])) if points
    }
    # Names at the ends of two curves that nearly meet would stand on each other.
    near = len(ends) == 2 and abs(ends["adapter"] - ends["base"]) < 0.08
    upper = max(ends, key=lambda name: (ends[name], name == "adapter"))
    lift = {name: (6 if name == upper else -6) if near else 0 for name in ends}
    figure, axes = _figure(2.6)
    for points, colour, name in ((curves["base"], BASE, "base"), (curves["adapter"], ADAPTER, "adapter")):
        if points:
            k, middle, lo, hi = (list(column) for column in zip(*points, strict=True))
            axes.fill_between(k, lo, hi, color=colour, alpha=0.18, linewidth=0)
            axes.plot(k, middle, "o-", color=colour, markersize=5, linewidth=2)
            axes.annotate(name, (k[-1], middle[-1]), (7, lift[name]), textcoords="offset points", va="center",
                          color=colour)  # fmt: skip
    most = int(max(p[0] for side in (curves["base"], curves["adapter"]) for p in side))
    step = max(1, most // 8)
    axes.set(ylim=(-0.02, 1.04), xlim=(0.8, max(most, 2) * 1.17), xticks=range(1, most + 1, step), xlabel="votes")
    _percent_axis(axes, "y")
    return _svg(figure, "votes", "Accuracy of the majority of k votes")


@_styled
def flips(evaluation: EvaluationFacts) -> str:
    """How many questions were fixed and how many broken, as two bars from one line."""
    paired = evaluation["paired"]
    figure, axes = _figure(1.25)
    widest = max(paired["fixed"], paired["broken"], 1)
    for sign, count, colour, name in ((1, paired["fixed"], FIXED, "fixed"), (-1, paired["broken"], BROKEN, "broken")):
        axes.barh([0], [sign * count], color=colour, height=0.62)
        axes.annotate(f"{count} {name}", (sign * count, 0), (sign * 6, 0), textcoords="offset points",
                      va="center", ha="left" if sign > 0 else "right", color=INK, weight="bold")  # fmt: skip
    left = max(paired["broken"], widest * 0.08) + widest * 0.34
    axes.set(xlim=(-left, paired["fixed"] + widest * 0.34), ylim=(-0.5, 0.5), yticks=[], xticks=[])
    axes.axvline(0, color=INK, linewidth=1)
    axes.spines["bottom"].set_visible(False)
    return _svg(figure, "flips", f"{paired['fixed']} questions fixed, {paired['broken']} broken")


@_styled
def slices(parts: Sequence[SliceFacts], name: str) -> str:
    """Base and adapter on each part of the questions, as two dots on a line."""
    figure, axes = _figure(0.5 + 0.36 * len(parts))
    for y, part in enumerate(reversed(parts)):
        axes.plot([part["base"], part["adapter"]], [y, y], color=GRID, linewidth=3, solid_capstyle="round", zorder=1)
        axes.plot([part["base"]], [y], "o", color=BASE, markersize=8)
        axes.plot([part["adapter"]], [y], "o", color=ADAPTER, markersize=8)
    labels = [f"{_short(part['name'])} · {part['n']}" for part in reversed(parts)]
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.6, len(parts) - 0.4), yticks=range(len(parts)), yticklabels=labels)
    _percent_axis(axes, "x")
    return _svg(figure, f"slices-{re.sub(r'[^a-z0-9]', '', name.lower())}", f"Accuracy by {name}, base and adapter")


@_styled
def course(rows: Sequence[StepRow], key: CourseKey, label: str) -> str:
    """One quantity of a training over its steps, memory in GiB; beside the loss, the validation loss as dots.

    Empty without two points.
    """
    points = [(row["step"], _scaled(key, row[key])) for row in rows if key in row]
    if len(points) < 2:
        return ""
    figure, axes = _figure(2.2)
    axes.plot(*zip(*points, strict=True), color=ADAPTER, linewidth=1.8)
    if key == "loss" and (valid := [(row["step"], row["valid_loss"]) for row in rows if "valid_loss" in row]):
        axes.plot(*zip(*valid, strict=True), "o-", color=BASE, markersize=5, linewidth=1.4)
        axes.annotate("validation", valid[-1], (-7, 7), textcoords="offset points", ha="right", color=BASE)
    axes.set(xlabel="step", ylim=(0, None))
    axes.grid(axis="y")
    axes.locator_params(axis="y", nbins=4)
    first, last = points[0][1], points[-1][1]
    return _svg(figure, f"course-{key}", f"{label} by step, from {first:.3g} to {last:.3g}")


def _scaled(key: CourseKey, value: float) -> float:
    return value / 2**30 if key == "memory" else value


def _figure(height: float) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    return figure, axes


def _svg(figure: Figure, name: str, label: str) -> str:
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


def _percent_axis(axes: Axes, axis: str) -> None:
    ticks, labels = [0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"]
    if axis == "x":
        axes.set_xticks(ticks, labels)
        axes.grid(axis="x")
    else:
        axes.set_yticks(ticks, labels)
        axes.grid(axis="y")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _short(text: str) -> str:
    return text if len(text) <= 18 else text[:17] + "…"
