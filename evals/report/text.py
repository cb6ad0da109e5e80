"""Figures and facts as people read them, for pages, Markdown and the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime


def line(name: str, cells: Iterable[str]) -> str:
    """One row of a table of Markdown."""
    return f"| {name} | " + " | ".join(map(cell, cells)) + " |"


def percent(share: float | None) -> str:
    """A share as per cent with one decimal, a dash for None."""
    return "–" if share is None else f"{100 * share:.1f} %"


def points(share: float) -> str:
    """Percentage points with their sign, none on zero."""
    shown = f"{100 * share:+.1f}"
    return "0.0" if float(shown) == 0 else shown.replace("-", "−")


def chance(p: float) -> str:
    """A p-value with its sign: "= 0.013", "< 0.0001"."""
    return "< 0.0001" if p < 0.0001 else f"= {p:.2g}"


def tabled(p: float) -> str:
    """A p-value in a column of such."""
    return chance(p).removeprefix("= ")


def interval(ends: Iterable[float]) -> str:
    """The ends of an interval of shares, in per cent."""
    return " to ".join(f"{100 * end:.1f}" for end in ends)


def duration(seconds: float) -> str:
    """Seconds as people say them: "0.4 s", "48 s", "3 min 05 s", "2 h 07 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def moment(text: str) -> str:
    """An ISO time as "22 November 2026, 01:45 UTC"; text that is no time as it is."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{when.day} {when:%B %Y, %H:%M} {when.tzname() or ''}".strip()


def amount(value: object) -> str:
    """A fact as text: thousands apart, lists by commas."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{k} {amount(v)}" for k, v in value.items()) or "–"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(amount, value)) or "–"
    return str(value)


def cell(text: str) -> str:
    """Text that stays text inside a Markdown table."""
    for sign, shown in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("`", "'"), ("\n", " ")):
        text = text.replace(sign, shown)
    return text


def fenced(text: str) -> str:
    """Text as a code block of Markdown, whatever fences it holds itself."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"
