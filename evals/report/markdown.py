"""The parts of a report's core as Markdown, which a Prefect artifact shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evals.report.text import cell, chance, duration, line, points, tabled

if TYPE_CHECKING:
    from evals.evaluation import Compared
    from evals.report.facts import StepFacts, ThrownFacts

TOY = "This is a toy model which proves the pipeline."
TOY_SETTING = "train.base_model"


def word(facts: Mapping[str, Any], warnings: Sequence[str]) -> list[str]:
    """The verdict with its reason, whether the model is a toy, and what to be warned of."""
    paired = facts["evaluation"]["paired"]
    lines = [f"# {cell(facts['adapter'])}: {paired['verdict']}", "", cell(paired["reason"]), ""]
    if facts["toy"]:
        lines += [f"> **{TOY}** `{TOY_SETTING}` in the recipe puts a real model in its place.", ""]
    return [*lines, *(f"> {cell(warning)}\n" for warning in warnings)]


def figures(heads: Iterable[str], rows: Iterable[tuple[str, Iterable[str]]]) -> list[str]:
    """A table with a column a subject."""
    titles = list(heads)
    return [line("", titles), "|---|" + "---:|" * len(titles), *(line(cell(name), found) for name, found in rows)]


def noted(text: str) -> list[str]:
    """A paragraph of its own; nothing where there is no text."""
    return [cell(text), ""] if text else []


def comparisons(adapters: Sequence[Compared]) -> list[str]:
    """Each adapter against the base; with several, the correction and both p-values."""
    if len(adapters) == 1 and (paired := adapters[0].paired):
        return [
            f"Difference {points(paired['difference'])} points, 95 % interval {points(paired['ci95'][0])} to"
            f" {points(paired['ci95'][1])} (clustered); exact McNemar p {chance(paired['mcnemar_p'])};"
            f" {paired['fixed']} fixed, {paired['broken']} broken."
        ]
    rows = [(one.label, one.paired) for one in adapters if one.paired]
    return [
        "| against the base | difference | 95 % interval | fixed | broken | p | p, corrected | |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
        *(
            f"| {cell(label)} | {points(p['difference'])} | {points(p['ci95'][0])} to {points(p['ci95'][1])} |"
            f" {p['fixed']} | {p['broken']} | {tabled(p['mcnemar_p'])} | {tabled(p['adjusted_p'])} |"
            f" **{p['verdict']}** |"
            for label, p in rows
        ),
        "",
        f"Exact McNemar, corrected for {len(rows)} comparisons (Holm); the words go by the corrected p.",
    ]


def stages(steps: Sequence[StepFacts], thrown_away: Sequence[ThrownFacts]) -> list[str]:
    """Each step and what was thrown away, as tables of Markdown."""
    lines = [
        "| step | status | time | digest |",
        "|---|---|---:|---|",
        *(f"| {cell(s['name'])} | {s['status']} | {duration(s['seconds'])} | `{s['digest'][:12]}` |" for s in steps),
    ]
    if thrown_away:
        lines += ["", "| thrown away in | reason | rows |", "|---|---|---:|"]
        lines += [f"| {cell(t['where'])} | {cell(t['reason'])} | {t['count']} |" for t in thrown_away]
    return lines
