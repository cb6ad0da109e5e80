"""What a sweep came to: its trials in the order of their accuracy, each with a word that is corrected for all of them.

standings(trials, evaluations)  -> the rows of the table, best first
page(facts), markdown(facts)    -> one self-contained HTML page, and Markdown
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from evals.report.templates import rendered
from evals.report.text import cell, interval, percent, points
from evals.verdict import across


class Row(TypedDict):
    """One trial, or the vote of several together, whose `settings` are empty. Figures are None where it failed."""

    settings: dict[str, str]
    adapter: str | None
    run: str | None
    error: str | None
    accuracy: float | None
    ci95: list[float] | None
    base: float | None
    paired: dict[str, Any] | None


class SweepFacts(TypedDict):
    """A whole sweep; `comparisons` is how many adapters, and votes of several, were held against their base."""

    sweep: str
    recipe: str
    made_at: str
    command: str
    over: dict[str, list[str]]
    comparisons: int
    rows: list[Row]
    evaluations: list[dict[str, Any]]
    page: str


def standings(trials: Sequence[Row], evaluations: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The trials with their figures, and each evaluation's vote of all adapters together, best first, failures last.

    `evaluations` are the facts of the evaluate steps, in whose sides the trials' adapters are found by name.
    """
    sides: dict[str, tuple[float, Mapping[str, Any], Mapping[str, Any]]] = {}
    for facts in evaluations:
        base = facts["base"]["accuracy"]
        sides[facts["adapter_name"]] = (base, facts["adapter"], facts["paired"])
        sides |= {name: (base, side, side["paired"]) for name, side in facts["others"].items()}
    words = dict(zip(sides, across([paired for _, _, paired in sides.values()]), strict=True))
    known = {trial["adapter"] for trial in trials}
    together: list[Row] = [
        {**_EMPTY, "settings": {}, "adapter": name} for name in sides if name not in known
    ]  # the votes of all adapters of an evaluation
    found = []
    for row in (*trials, *together):
        if row["adapter"] in sides:
            base, side, _ = sides[row["adapter"]]
            figures = {"accuracy": side["accuracy"], "ci95": side["ci95"], "base": base}
            row = {**row, **figures, "paired": words[row["adapter"]]}  # type: ignore[typeddict-item]
        found.append(row)
    return sorted(found, key=lambda row: -1.0 if row["accuracy"] is None else row["accuracy"], reverse=True)


def page(facts: SweepFacts) -> str:
    """The sweep as one HTML document."""
    return rendered("sweep.html.j2", facts=facts, best=best(facts), figures=figures)


def markdown(facts: SweepFacts) -> str:
    """The table of the sweep as Markdown."""
    names = list(facts["over"])
    lines = [
        f"# {cell(facts['sweep'])}",
        "",
        f"{facts['comparisons']} comparisons; words and p by Holm's correction for all of them.",
        "",
        f"| {' | '.join(map(cell, names))} | adapter | accuracy | 95 % interval | against base | p | verdict |",
        f"|{'---|' * len(names)}---|---:|---:|---:|---:|---|",
    ]
    for row in facts["rows"]:
        settings = [cell(row["settings"].get(name, "all")) for name in names]
        lines.append(f"| {' | '.join([*settings, *map(cell, figures(row))])} |")
    return "\n".join([*lines, "", "Get it again:", "", f"    {facts['command']}", ""])


def best(facts: SweepFacts) -> Row | None:
    """The most accurate of the trials that are better than their base; None if none is."""
    return next(
        (row for row in facts["rows"] if row["settings"] and (row["paired"] or {}).get("verdict") == "better"), None
    )


def figures(row: Row) -> tuple[str, str, str, str, str, str]:
    """Adapter, accuracy, its interval, the difference to the base in points, the adjusted p, and the word."""
    name = row["adapter"] or "–"
    if row["settings"] == {}:
        name = "vote of all"
    paired = row["paired"]
    if row["accuracy"] is None or row["ci95"] is None or paired is None:
        return name, "–", "–", "–", "–", "failed" if row["error"] else "not evaluated"
    p = paired["adjusted_p"]
    return (
        name,
        percent(row["accuracy"]),
        interval(row["ci95"]),
        points(paired["difference"]),
        "< 0.0001" if p < 0.0001 else f"{p:.2g}",
        paired["verdict"],
    )


_EMPTY: Row = {
    "settings": {}, "adapter": None, "run": None, "error": None,
    "accuracy": None, "ci95": None, "base": None, "paired": None,
}  # fmt: skip
