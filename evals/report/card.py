"""The data card of a snapshot: what it is made of, as Markdown and as one self-contained HTML page.

card(facts) -> HTML (no network, no script)      markdown(facts) -> the same for a repository
"""

from __future__ import annotations

from typing import Any

from evals.report.card_facts import CardFacts
from evals.report.templates import rendered


def card(facts: CardFacts) -> str:
    """The card as one HTML document."""
    return rendered("card.html.j2", **_shown(facts))


def markdown(facts: CardFacts) -> str:
    """The card as Markdown."""
    return rendered("card.md.j2", **_shown(facts))


def _shown(facts: CardFacts) -> dict[str, Any]:
    sizes = {row["split"]: row for row in facts["description"]["sizes"]}
    return {
        "facts": facts,
        "d": facts["description"],
        "sizes": sizes,
        "rows": sum(row["rows"] for row in sizes.values()),
        "leaked": sum(facts["description"]["leaks"].values()),
    }
