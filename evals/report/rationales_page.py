"""The page of rationales: what a teacher gave, what was refused and which keys are in doubt.

    RationaleFacts, suspects ──page──▶ HTML (no network, no script, no other file), ──markdown──▶ text

Its parts are those of the report's section on rationales.
"""

from __future__ import annotations

from collections.abc import Sequence

from evals.report.rationale_facts import AgreementFacts, RationaleFacts, SuspectFacts
from evals.report.rationales import cost_told, told
from evals.report.templates import rendered
from evals.report.text import amount, cell, interval, percent

_LISTED = 200
_LISTED_IN_MARKDOWN = 20


def page(facts: RationaleFacts, suspects: Sequence[SuspectFacts]) -> str:
    """The rationales as one HTML document, with the strongest suspects folded."""
    return rendered("rationales.html.j2", told=facts, suspects=suspects[:_LISTED])


def markdown(facts: RationaleFacts, suspects: Sequence[SuspectFacts]) -> str:
    """The counts and the strongest suspects as Markdown."""
    kept_for = "" if facts["cost_per_kept"] is None else f", {amount(facts['cost_per_kept'])} for one kept"
    lines = [
        f"# {amount(facts['kept'])} rationales kept of {amount(facts['requests'])}",
        "",
        f"{amount(facts['questions'])} questions, {amount(sum(facts['yields'][1:]))} with one or more; teacher"
        f" {cell(', '.join(facts['models']))}; {cost_told(facts)}{kept_for}.",
        "",
        "| prompt | requests | readable | agree with the key | kept |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {cell(p['prompt'])} | {p['requests']} | {p['read']} | {p['agree']} | {p['kept']} |"
            for p in facts["prompts"]
        ),
        "",
        f"Agreement with the key: {_agreement(facts['unhinted'])} without it,"
        f" {_agreement(facts['hinted'])} where shown.",
        "",
        f"Questions by rationales kept: {', '.join(f'{n}: {amount(q)}' for n, q in enumerate(facts['yields']))}.",
    ]  # fmt: skip
    if length := facts["lengths"]:
        lines += [
            "",
            f"Characters: 5 % below {length['p5']}, median {length['p50']}, 5 % above {length['p95']},"
            f" longest {length['max']}.",
        ]
    if facts["rejected"]:
        lines += ["", "| refused because | rationales |", "|---|---:|"]
        lines += [f"| {cell(reason)} | {count} |" for reason, count in facts["rejected"].items()]
    lines += ["", told(facts["suspects"])]
    if suspects:
        lines += ["", "| suspect | where | key | teacher | votes | share |", "|---|---|---|---|---|---:|"]
        lines += [
            f"| {cell(s['asked'][:80])} | {cell(s['source_id'] or s['question'])} | {s['key']} | {s['answer']} |"
            f" {' '.join(vote or '–' for vote in s['votes'])} | {percent(s['share'])} |"
            for s in suspects[:_LISTED_IN_MARKDOWN]
        ]
    return "\n".join([*lines, ""])


def _agreement(agreement: AgreementFacts) -> str:
    if agreement["share"] is None:
        return "none known"
    return f"{percent(agreement['share'])} of {amount(agreement['read'])} ({interval(agreement['ci95'])})"
