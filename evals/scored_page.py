"""The page of an evaluation of dialogues: the word, the numbers, every question with its replies, and its Markdown.

ScoredFacts ──page──▶ HTML (no network, no script)      ScoredFacts ──markdown──▶ a Prefect artifact
"""

from __future__ import annotations

from typing import Any, TypedDict

from evals.facts import Change, OriginFacts, StepFacts, ThrownFacts, TrainingFacts
from evals.page import CHANGES, TOY, TOY_SETTING, cell, duration, environment, interval, percent, points
from evals.plots import course


class ScoredReply(TypedDict):
    """One reply; `index` is -1 for the greedy one, `wins` true for the one that answers for its subject."""

    index: int
    text: str
    outcome: str
    value: float
    reason: str
    wins: bool


class ScoredQuestion(TypedDict):
    """One question: the last user's turn, the turns before it, the reference, both sides' replies."""

    id: str
    source_id: str
    before: list[dict[str, str]]
    asked: str
    reference: str
    base: list[ScoredReply]
    adapter: list[ScoredReply]
    change: Change | None


class ScoredFacts(TypedDict):
    """A whole report. `evaluation` is what the evaluate step wrote; other fields as in `evals.facts.Facts`."""

    name: str
    adapter: str
    base_model: str
    toy: bool
    made_at: str
    command: str
    recipe: str
    evaluation: dict[str, Any]
    questions: list[ScoredQuestion]
    texts_left_out: int
    steps: list[StepFacts]
    thrown_away: list[ThrownFacts]
    training: TrainingFacts
    lineage: list[OriginFacts]


def page(facts: ScoredFacts) -> str:
    """The report as one HTML document."""
    order = {str(change): place for place, change in enumerate((*CHANGES, None))}
    return (
        environment()
        .get_template("scored.html.j2")
        .render(
            facts=facts,
            evaluation=facts["evaluation"],
            paired=facts["evaluation"]["paired"],
            rows=figures(facts["evaluation"]),
            questions=sorted(facts["questions"], key=lambda q: (order[str(q["change"])], q["id"])),
            toy_text=TOY,
            toy_setting=TOY_SETTING,
            plot=course(facts["training"]["rows"], "loss", "Loss"),
        )
    )


def markdown(facts: ScoredFacts) -> str:
    """The word, the numbers, the stages and the way back, as Markdown."""
    evaluation, paired = facts["evaluation"], facts["evaluation"]["paired"]
    lines = [f"# {cell(facts['adapter'])}: {paired['verdict']}", "", cell(paired["reason"]), ""]
    if facts["toy"]:
        lines += [f"> **{TOY}** `{TOY_SETTING}` in the recipe puts a real model in its place.", ""]
    lines += [
        f"{evaluation['counted']} of {evaluation['questions']} questions counted, in {paired['problems']} groups."
        f" Right: {evaluation['right']}.",
        "",
        "| | base | adapter |",
        "|---|---:|---:|",
        *(f"| {cell(name)} | {before} | {after} |" for name, before, after in figures(evaluation)),
        "",
        f"Difference {points(paired['difference'])} points, 95 % interval {points(paired['ci95'][0])} to"
        f" {points(paired['ci95'][1])} (clustered by group); exact McNemar p = {paired['mcnemar_p']:.2g};"
        f" {paired['fixed']} fixed, {paired['broken']} broken.",
        "",
        "| step | status | time | digest |",
        "|---|---|---:|---|",
        *(
            f"| {cell(s['name'])} | {s['status']} | {duration(s['seconds'])} | `{s['digest'][:12]}` |"
            for s in facts["steps"]
        ),
    ]
    if facts["thrown_away"]:
        lines += ["", "| thrown away in | reason | rows |", "|---|---|---:|"]
        lines += [f"| {cell(t['where'])} | {cell(t['reason'])} | {t['count']} |" for t in facts["thrown_away"]]
    return "\n".join([*lines, "", "Get it again:", "", f"    {facts['command']}", ""])


def figures(evaluation: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The table of both sides: a name, the base's figure, the adapter's."""
    sides = evaluation["base"], evaluation["adapter"]
    votes = evaluation["votes"]
    found = [
        (f"right by the vote of {votes}" if votes > 1 else "right", *(percent(s["accuracy"]) for s in sides)),
        ("its 95 % interval", *(interval(s["ci95"]) for s in sides)),
    ]
    if votes > 1:
        found.append(("right, greedy reply", *(percent(s["greedy_accuracy"]) for s in sides)))
    found += [
        (f"mean value ({evaluation['value']})", *(f"{s['value']:.3f}" for s in sides)),
        ("its 95 % interval, by group", *(" to ".join(f"{end:.3f}" for end in s["value_ci95"]) for s in sides)),
        ("no answer that can be used", *(percent(s["unreadable"]) for s in sides)),
    ]
    for name in dict.fromkeys(name for s in sides for name in s["measures"]):
        found.append((name, *(f"{s['measures'][name]:.3f}" if name in s["measures"] else "–" for s in sides)))
    for name in dict.fromkeys(name for s in sides for name in s["outcomes"]):
        found.append((f"outcome: {name}", *(str(s["outcomes"].get(name, 0)) for s in sides)))
    return found  # type: ignore[return-value]  # a starred generator of two
