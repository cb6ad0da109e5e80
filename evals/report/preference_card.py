"""The data card of preferences: where they came from, what was left out, and whether length tells the sides apart.

page(facts) -> HTML (no network, no script)      markdown(facts) -> the same for a repository
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evals.report.templates import rendered

_WORDS = {
    "paired": "Each row has a chosen and a rejected reply to one prompt.",
    "unpaired": "Each row has one reply to a prompt, which is chosen or rejected (KTO).",
}


def tables(facts: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """The card's tables: a title, and its rows of two cells."""
    lengths = facts["lengths"]
    return {
        "Rows": [
            *((split, f"{count:,}") for split, count in facts["rows"].items()),
            ("questions", f"{facts['questions']:,}"),
        ],
        "Sources": [(source, f"{count:,}") for source, count in facts["sources"].items()],
        "Left out": [
            *((reason, f"{count:,} questions") for reason, count in facts["dropped"].items()),
            ("unreadable or cut", f"{facts['unreadable']:,} replies, neither right nor wrong"),
        ],
        "Lengths, in characters": [
            ("mean of the chosen", _number(lengths["chosen_mean"])),
            ("mean of the rejected", _number(lengths["rejected_mean"])),
            ("chosen longer", f"{lengths['chosen_longer']:,} pairs"),
            ("rejected longer", f"{lengths['rejected_longer']:,} pairs"),
        ],
        "Checked by SQL": [(what, f"{count:,}") for what, count in facts["leaks"].items()],
    }


def markdown(facts: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    parts = [f"# Preferences of {facts['name']}", "", _told(facts)]
    for title, rows in tables(facts).items():
        parts += ["", f"## {title}", "", "| | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join([*parts, ""])


def page(facts: Mapping[str, Any]) -> str:
    """The card as one HTML document."""
    return rendered("preference_card.html.j2", name=facts["name"], told=_told(facts), tables=tables(facts))


def _told(facts: Mapping[str, Any]) -> str:
    kind = _WORDS["paired" if facts["paired"] else "unpaired"]
    about = f"Identity {facts['preferences']}, prompt {facts['prompt']}."
    return f"{kind} {about} All are of training or validation questions."


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"
