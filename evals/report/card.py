"""The data card of a snapshot: what it is made of, as Markdown and as one self-contained HTML page.

card(facts) -> HTML (no network, no script)      markdown(facts) -> the same for a repository
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from evals.report.card_facts import CardFacts
from storage.records import language_of

if TYPE_CHECKING:
    from jinja2 import Environment

_CUT = 1_200  # characters of an example


def card(facts: CardFacts) -> str:
    """The card as one HTML document."""
    return _environment().get_template("card.html.j2").render(**_shown(facts))


def markdown(facts: CardFacts) -> str:
    """The card as Markdown."""
    return _environment().get_template("card.md.j2").render(**_shown(facts))


def _shown(facts: CardFacts) -> dict[str, Any]:
    sizes = {row["split"]: row for row in facts["description"]["sizes"]}
    return {
        "facts": facts,
        "d": facts["description"],
        "sizes": sizes,
        "rows": sum(row["rows"] for row in sizes.values()),
        "leaked": sum(facts["description"]["leaks"].values()),
    }


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _cell(text: str) -> str:
    for sign, shown in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("`", "'"), ("\n", " ")):
        text = text.replace(sign, shown)
    return text


def _fenced(text: str) -> str:
    """Text as a Markdown code block, whatever fences it holds itself."""
    fence = "`" * max(3, *(len(run) + 1 for run in _runs(text)))
    return f"{fence}\n{text}\n{fence}"


def _runs(text: str) -> Iterable[str]:
    run = ""
    for sign in text:
        run = run + sign if sign == "`" else ""
        yield run


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("evals.report", "."),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"amount": lambda n: f"{n:,}".replace(",", "\u202f"), "cell": _cell, "fenced": _fenced}
    made.filters |= {"cut": lambda text: text if len(text) <= _CUT else f"{text[:_CUT]}…", "language": language_of}
    made.globals |= {"percent": _percent}
    return made
