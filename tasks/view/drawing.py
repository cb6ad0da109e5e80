"""Small curves as SVG, drawn at once: a training's loss while it trains, accuracies over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

Point = tuple[float, float]
_WIDTH, _HEIGHT = 720, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 10, 26
_MOST = 600  # points of a line


def losses(rows: object, total: object = None) -> Markup | None:
    """The loss and the validation loss of a history's rows by step; None for fewer than two. `total` ends the axis."""
    found = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, Sequence) else []
    lines = {name: _points(found, name) for name in ("loss", "valid_loss")}
    if len(lines["loss"]) < 2:
        return None
    last = total if isinstance(total, int) and total > 0 else max(x for x, _ in lines["loss"])
    return curve({"adapter": lines["loss"], "base": lines["valid_loss"]}, until=float(last), label="Loss by step")


def curve(lines: Mapping[str, Sequence[Point]], *, until: float, label: str) -> Markup:
    """Lines by their style, on axes from 0 to `until` and over the range of their values."""
    values = [y for points in lines.values() for _, y in points]
    low, high = min(values), max(values)
    low = 0.0 if 0 <= low < high / 2 else low
    high = high if high > low else low + 1.0

    def place(point: Point) -> str:
        x = _LEFT + (_WIDTH - _LEFT - _RIGHT) * point[0] / max(until, 1e-9)
        y = _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - (point[1] - low) / (high - low))
        return f"{x:.1f},{y:.1f}"

    drawn = []
    for share in (0.0, 0.5, 1.0):
        value = low + share * (high - low)
        left, y = place((0.0, value)).split(",")
        drawn.append(f'<line class="grid" x1="{left}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        drawn.append(f'<text x="{_LEFT - 8}" y="{float(y) + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    drawn.append(f'<text x="{_LEFT}" y="{_HEIGHT - 6}">0</text>')
    drawn.append(f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}" text-anchor="end">step {until:,.0f}</text>')
    for style, points in lines.items():
        if len(points) == 1:
            x, y = place(points[0]).split(",")
            drawn.append(f'<circle class="{style}" cx="{x}" cy="{y}" r="3.5"/>')
        elif points:
            drawn.append(f'<polyline class="{style}" points="{" ".join(place(p) for p in _thinned(points))}"/>')
    head = f'<svg class="curve" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}">'
    return Markup(f"{head}{''.join(drawn)}</svg>")


def spark(values: Sequence[float]) -> Markup | None:
    """A few numbers as a line as high as a word; None for fewer than two."""
    if len(values) < 2:
        return None
    low, high = min(values), max(values)
    step = 80 / (len(values) - 1)
    points = " ".join(
        f"{2 + n * step:.1f},{18 - 16 * ((v - low) / (high - low) if high > low else 0.5):.1f}"
        for n, v in enumerate(values)
    )
    told = ", ".join(f"{v:.3f}" for v in values[-12:])
    return Markup(
        f'<svg class="spark" viewBox="0 0 84 20" role="img" aria-label="{told}"><polyline points="{points}"/></svg>'
    )


def _points(rows: Sequence[Mapping[str, Any]], name: str) -> list[Point]:
    found = [(row.get("step"), row.get(name)) for row in rows]
    return [
        (float(x), float(y))
        for x, y in found
        if isinstance(x, int | float) and isinstance(y, int | float) and math.isfinite(y)
    ]


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    every = max(1, len(points) // _MOST)
    return [*points[:-1:every], points[-1]]
