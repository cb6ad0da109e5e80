"""A verdict as Jupyter shows it: a table, and the difference with its interval as a picture, without matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

_COLOURS = {"better": "#1a7f37", "worse": "#cf222e", "cannot tell": "#9a6700"}
_WIDTH, _ROW, _LEFT = 640, 34, 190  # units of the picture


class Row(NamedTuple):
    """One verdict: whose, on which task, and the numbers that are shown; `shares` are shown in percent and points."""

    task: str
    base: str
    adapter: str
    word: str
    reason: str
    questions: int
    accuracy: tuple[float, float]
    difference: float
    ci95: tuple[float, float]
    fixed: int
    broken: int
    adjusted_p: float
    shares: bool


class Picture(str):
    """An SVG that a notebook draws."""

    def _repr_svg_(self) -> str:
        return str(self)


def table(judged: Sequence[Row]) -> str:
    """An HTML table, words first."""
    heads = ("", "questions", "base", "adapter", "difference", "95 % interval", "up", "down", "p")
    rows = [
        f"<tr><td><b style='color:{_COLOURS[v.word]}'>{v.word}</b> "
        f"{escape(f'{v.adapter} against {v.base} {v.task}')}</td>"
        f"<td>{v.questions:,}</td><td>{_figure(v, v.accuracy[0])}</td><td>{_figure(v, v.accuracy[1])}</td>"
        f"<td>{_change(v, v.difference)}</td><td>{_change(v, v.ci95[0])} to {_change(v, v.ci95[1])}</td>"
        f"<td>{v.fixed:,}</td><td>{v.broken:,}</td><td>{v.adjusted_p:.3g}</td></tr>"
        for v in judged
    ]
    head = f"<thead><tr>{''.join(f'<th>{name}</th>' for name in heads)}</tr></thead>"
    reason = escape(judged[0].reason) if judged else ""
    return f"<table>{head}<tbody>{''.join(rows)}</tbody></table><p>{reason}</p>"


def picture(judged: Sequence[Row]) -> Picture:
    """Each difference with its 95 % interval on one line, 0 as the upright."""
    ends = [abs(end) for v in judged for end in v.ci95]
    widest = max([*ends, 1e-9]) * 1.15
    height = _ROW * (len(judged) + 1)

    def x(value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - 10) * (value / widest + 1) / 2

    parts = [
        f"<line x1='{x(0):.1f}' x2='{x(0):.1f}' y1='6' y2='{height - 24}' stroke='currentColor' stroke-width='1'/>"
    ]
    for n, v in enumerate(judged):
        y, colour = _ROW * n + 22, _COLOURS[v.word]
        name = escape(f"{v.adapter} {v.task}".strip()[:28])
        middle, low, high = (f"{x(value):.1f}" for value in (v.difference, *v.ci95))
        parts += [
            f"<text x='4' y='{y + 4}' fill='currentColor' font-size='13'>{name}</text>",
            f"<line x1='{low}' x2='{high}' y1='{y}' y2='{y}' stroke='{colour}' stroke-width='6' opacity='.35'/>",
            f"<circle cx='{middle}' cy='{y}' r='6' fill='{colour}'/>",
            f"<text x='{middle}' y='{y - 10}' fill='{colour}' font-size='12' text-anchor='middle'>"
            f"{_change(v, v.difference)} {v.word}</text>",
        ]
    under = f"difference from the base{', in points' if judged and judged[0].shares else ''}"
    place = f"x='{x(0):.1f}' y='{height - 6}' font-size='12' text-anchor='middle'"
    parts.append(f"<text {place} fill='currentColor'>{under}</text>")
    return Picture(
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {height}' width='{_WIDTH}' "
        f"font-family='sans-serif'>{''.join(parts)}</svg>"
    )


def _figure(v: Row, value: float) -> str:
    return f"{100 * value:.1f} %" if v.shares else f"{value:.4g}"


def _change(v: Row, value: float) -> str:
    return f"{100 * value:+.1f}" if v.shares else f"{value:+.3g}"
