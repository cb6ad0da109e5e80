"""The page of an evaluation of dialogues: the word, the numbers, every question with its replies, and its Markdown.

ScoredFacts ──page──▶ HTML (no network, whole without scripts)      ScoredFacts ──markdown──▶ a Prefect artifact
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypedDict

from evals.evaluation import PairedFacts
from evals.report import plots
from evals.report.facts import Change, OriginFacts, StepFacts, ThrownFacts, TrainingFacts
from evals.report.page import (
    CHANGES,
    TOY,
    TOY_SETTING,
    allowed,
    cell,
    comparisons,
    environment,
    interval,
    line,
    percent,
    stages,
    warnings,
)


class ScoredReply(TypedDict):
    """One reply; `index` is -1 for the greedy one, `wins` true for the one that answers for its subject."""

    index: int
    text: str
    outcome: str
    value: float
    reason: str
    wins: bool


class ScoredQuestion(TypedDict):
    """One question: the last user's turn, the turns before it, the reference, each subject's replies.

    `others` are those of further adapters; `change` is between base and first adapter.
    """

    id: str
    source_id: str
    before: list[dict[str, str]]
    asked: str
    reference: str
    base: list[ScoredReply]
    adapter: list[ScoredReply]
    others: list[list[ScoredReply]]
    change: Change | None


class ScoredFacts(TypedDict):
    """A whole report. `evaluation` is what the evaluate step wrote; other fields as in `evals.report.facts.Facts`."""

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
    training: TrainingFacts | None
    lineage: list[OriginFacts]


class Side(NamedTuple):
    """One subject as the page shows it; the base has no word."""

    label: str
    style: str
    side: dict[str, Any]
    paired: PairedFacts | None


def sides(evaluation: dict[str, Any]) -> list[Side]:
    """Base, first adapter, others; an adapter alone is called "adapter"."""
    others = evaluation["others"]
    first = evaluation["adapter_name"] if others else "adapter"
    return [
        Side("base", "base", evaluation["base"], None),
        Side(first, "adapter", evaluation["adapter"], evaluation["paired"]),
        *(Side(name, f"other-{n % 4}", one, one["paired"]) for n, (name, one) in enumerate(others.items())),
    ]


def page(facts: ScoredFacts) -> str:
    """The report as one HTML document."""
    order = {str(change): place for place, change in enumerate((*CHANGES, None))}
    script = environment().get_template("scored.js").render()
    shown = sides(facts["evaluation"])
    return (
        environment()
        .get_template("scored.html.j2")
        .render(
            facts=facts,
            evaluation=facts["evaluation"],
            warnings=warnings(facts["evaluation"]["warnings"], facts["training"]),
            paired=facts["evaluation"]["paired"],
            rows=figures(facts["evaluation"]),
            subjects=shown,
            adapters=shown[1:],
            questions=sorted(facts["questions"], key=lambda q: (order[str(q["change"])], q["id"])),
            ran=ran(facts["evaluation"]),
            toy_text=TOY,
            toy_setting=TOY_SETTING,
            flips=plots.flips(shown[1:]),
            plot=plots.course(facts["training"]["rows"] if facts["training"] else [], "loss", "Loss"),
            script=script,
            script_hash=allowed(script),
        )
    )


def markdown(facts: ScoredFacts) -> str:
    """The word, the numbers, the comparisons and their correction, the stages and the way back, as Markdown."""
    evaluation, paired = facts["evaluation"], facts["evaluation"]["paired"]
    shown = sides(evaluation)
    lines = [f"# {cell(facts['adapter'])}: {paired['verdict']}", "", cell(paired["reason"]), ""]
    if facts["toy"]:
        lines += [f"> **{TOY}** `{TOY_SETTING}` in the recipe puts a real model in its place.", ""]
    lines += [f"> {cell(warning)}\n" for warning in warnings(evaluation["warnings"], facts["training"])]
    lines += [
        f"{evaluation['counted']} of {evaluation['questions']} questions counted, in {paired['problems']} groups."
        f" Right: {evaluation['right']}.",
        "",
        line("", (one.label for one in shown)),
        "|---|" + "---:|" * len(shown),
        *(line(cell(name), found) for name, found in figures(evaluation)),
        "",
        *([cell(said), ""] if (said := ran(evaluation)) else []),
        *comparisons(shown[1:]),
        "",
        *stages(facts["steps"], facts["thrown_away"]),
    ]
    return "\n".join([*lines, "", "Get it again:", "", f"    {facts['command']}", ""])


def ran(evaluation: dict[str, Any]) -> str:
    """Where queries were run, in a sentence or two; "" for work of another kind."""
    sql = evaluation.get("sql")
    if not sql:
        return ""
    if sql["text"] == evaluation["questions"]:
        return (
            "No query was run: none of the schemas can be read. Right is the same text as the reference, but for the "
            f"spelling of keywords, blanks and quotes; all {sql['text']} were compared as text."
        )
    said = f"Queries were run by {sql['engine']} on {sql['databases']} generated databases a question"
    if real := sum(sql["real"].values()):
        names = ", ".join(list(sql["real"])[:5]) + (", …" if len(sql["real"]) > 5 else "")
        said += f", {real} questions on the real one as well ({len(sql['real'])}: {names})"
    if sql["text"]:
        said += f"; {sql['text']} have no schema to run on and were compared as text"
    where = "taken on the real databases" if sql["real"] else "taken on the generated databases, not on the published"
    return f"{said}. Right is decided by {sql['metric']}; the published metrics stand beside, {where}."


def figures(evaluation: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """The table of all subjects: a name, and each one's figure."""
    found = [one.side for one in sides(evaluation)]
    votes = evaluation["votes"]
    rows = [
        (f"right by the vote of {votes}" if votes > 1 else "right", [percent(s["accuracy"]) for s in found]),
        ("its 95 % interval", [interval(s["ci95"]) for s in found]),
    ]
    if votes > 1:
        rows.append(("right, greedy reply", [percent(s["greedy_accuracy"]) for s in found]))
    rows += [
        (f"mean value ({evaluation['value']})", [f"{s['value']:.3f}" for s in found]),
        ("its 95 % interval, by group", [" to ".join(f"{end:.3f}" for end in s["value_ci95"]) for s in found]),
        ("no answer that can be used", [percent(s["unreadable"]) for s in found]),
    ]
    for name in dict.fromkeys(name for s in found for name in s["measures"]):
        rows.append((name, [f"{s['measures'][name]:.3f}" if name in s["measures"] else "–" for s in found]))
    for name in dict.fromkeys(name for s in found for name in s["outcomes"]):
        rows.append((f"outcome: {name}", [str(s["outcomes"].get(name, 0)) for s in found]))
    return rows
