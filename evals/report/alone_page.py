"""The page of a base that was measured by itself: its figures, every question with its replies, and its Markdown.

AloneFacts ──page──▶ HTML (no network, no script)      AloneFacts ──markdown──▶ a Prefect artifact
"""

from __future__ import annotations

from typing import Any, TypedDict

from evals import corrected
from evals.report.facts import OriginFacts, StepFacts, ThrownFacts
from evals.report.page import cell, duration, environment, interval, percent
from evals.report.scored_page import ran

_SHARES = {
    "readable_accuracy": "right, of those that some answer won",
    "greedy_accuracy": "right, greedy reply",
    "single_accuracy": "right, single sample",
    "forced_accuracy": "right, letter forced",
    "unreadable": "no answer that can be read",
    "cut": "replies cut at their length limit",
    "overflow": "prompts that fill the context",
}


class AloneReply(TypedDict):
    """One reply: `name` as "greedy" or "vote 1", what it `said`, `how` that was found, whether it `wins`."""

    name: str
    text: str
    said: str
    how: str
    wins: bool


class AloneQuestion(TypedDict):
    """One question, what the key says, its replies; `right` is None where nothing could be said of it."""

    id: str
    source_id: str
    asked: list[str]
    reference: str
    right: bool | None
    replies: list[AloneReply]


class AloneFacts(TypedDict):
    """A whole report. `evaluation` is what the evaluate step wrote; other fields as in `evals.report.facts.Facts`."""

    name: str
    base_model: str
    made_at: str
    command: str
    recipe: str
    evaluation: dict[str, Any]
    questions: list[AloneQuestion]
    texts_left_out: int
    steps: list[StepFacts]
    thrown_away: list[ThrownFacts]
    lineage: list[OriginFacts]


def page(facts: AloneFacts) -> str:
    """The report as one HTML document; what is wrong stands first."""
    return (
        environment()
        .get_template("alone.html.j2")
        .render(
            facts=facts,
            base=facts["evaluation"]["base"],
            ran=ran(facts["evaluation"]),
            corrected=corrected.told(facts["evaluation"].get("corrections")),
            rows=figures(facts["evaluation"]),
            questions=sorted(facts["questions"], key=lambda q: (q["right"] is not False, q["right"] is True, q["id"])),
        )
    )


def markdown(facts: AloneFacts) -> str:
    """The figures and the way back, as Markdown."""
    evaluation = facts["evaluation"]
    lines = [
        f"# {cell(facts['base_model'])}: {percent(evaluation['base']['accuracy'])} of {cell(facts['name'])}",
        "",
        f"{evaluation['questions']} questions in {evaluation['problems']} problems, nothing to compare with.",
        "",
        *([said_of, ""] if (said_of := corrected.told(evaluation.get("corrections"))) else []),
        *(f"> {cell(warning)}\n" for warning in evaluation["warnings"]),
        "| | base |",
        "|---|---:|",
        *(f"| {cell(name)} | {value} |" for name, value in figures(evaluation)),
        *(["", cell(said)] if (said := ran(evaluation)) else []),
        "",
        "| step | time | digest |",
        "|---|---:|---|",
        *(f"| {cell(s['name'])} | {duration(s['seconds'])} | `{s['digest'][:12]}` |" for s in facts["steps"]),
    ]
    if facts["thrown_away"]:
        lines += ["", "| thrown away in | reason | rows |", "|---|---|---:|"]
        lines += [f"| {cell(t['where'])} | {cell(t['reason'])} | {t['count']} |" for t in facts["thrown_away"]]
    return "\n".join([*lines, "", "Get it again:", "", f"    {facts['command']}", ""])


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
