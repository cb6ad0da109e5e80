"""The parts of a report on a base that was measured by itself: its figures, every question with its replies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evals import corrected
from evals.report import markdown
from evals.report.scored_page import ran
from evals.report.text import cell, interval, percent

if TYPE_CHECKING:
    from evals.report.facts import AloneFacts

TEMPLATE = "report_alone.html.j2"
SCRIPT = None
_SHARES = {
    "readable_accuracy": "right, of those that some answer won",
    "greedy_accuracy": "right, greedy reply",
    "single_accuracy": "right, single sample",
    "forced_accuracy": "right, letter forced",
    "unreadable": "no answer that can be read",
    "cut": "replies cut at their length limit",
    "overflow": "prompts that fill the context",
}


def values(facts: AloneFacts) -> dict[str, Any]:
    """What the template asks for; what is wrong stands first."""
    return {
        "base": facts["evaluation"]["base"],
        "ran": ran(facts["evaluation"]),
        "rows": figures(facts["evaluation"]),
        "questions": sorted(facts["questions"], key=lambda q: (q["right"] is not False, q["right"] is True, q["id"])),
    }


def lines(facts: AloneFacts, warnings: Sequence[str]) -> list[str]:
    """The figures as Markdown."""
    evaluation = facts["evaluation"]
    return [
        f"# {cell(facts['base_model'])}: {percent(evaluation['base']['accuracy'])} of {cell(facts['name'])}",
        "",
        f"{evaluation['questions']} questions in {evaluation['problems']} problems, nothing to compare with.",
        "",
        *markdown.noted(corrected.told(evaluation.get("corrections"))),
        *(f"> {cell(warning)}\n" for warning in warnings),
        *markdown.figures(["base"], ((name, [value]) for name, value in figures(evaluation))),
        "",
        *markdown.noted(ran(evaluation)),
    ]


def figures(evaluation: dict[str, Any]) -> list[tuple[str, str]]:
    """Names and figures, of any kind of work: what a side does not have is left out."""
    base, votes = evaluation["base"], evaluation["votes"]
    found = [
        (f"right by the vote of {votes}" if votes > 1 else "right", percent(base["accuracy"])),
        ("its 95 % interval", interval(base["ci95"])),
        *((name, percent(base[key])) for key, name in _SHARES.items() if base.get(key) is not None),
    ]
    for name, points in (("vote", evaluation.get("curves")), ("pass", evaluation.get("passes"))):
        found += [
            (f"{name}@{k:g}", f"{percent(share)} ({interval((low, high))})")
            for k, share, low, high in (points or {"base": []})["base"]
        ]
    if "value" in base:
        found.append((f"mean value ({evaluation['value']})", f"{base['value']:.3f}"))
    found += [(name, f"{value:.3f}") for name, value in base.get("measures", {}).items()]
    found += [(f"outcome: {name}", str(count)) for name, count in base.get("outcomes", {}).items()]
    return found + [
        (f"{part['by']}: {part['name']} ({part['n']})", percent(part["base"])) for part in evaluation.get("slices", ())
    ]
