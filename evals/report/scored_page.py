"""The parts of a report on scored replies, such as queries that were run: the figures, every question with its replies.

The page is whole without scripts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from evals.evaluation import PairedFacts
from evals.report import markdown, plots
from evals.report.text import interval, percent
from evals.report.voted_page import CHANGES

if TYPE_CHECKING:
    from evals.report.facts import ScoredFacts

TEMPLATE = "report_scored.html.j2"
SCRIPT = "scored.js"


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


def values(facts: ScoredFacts) -> dict[str, Any]:
    """What the template asks for; changed questions stand first."""
    order = {str(change): place for place, change in enumerate((*CHANGES, None))}
    shown = sides(facts["evaluation"])
    return {
        "rows": figures(facts["evaluation"]),
        "subjects": shown,
        "adapters": shown[1:],
        "questions": sorted(facts["questions"], key=lambda q: (order[str(q["change"])], q["id"])),
        "ran": ran(facts["evaluation"]),
        "plots": {"flips": plots.flips(shown[1:])},
    }


def lines(facts: ScoredFacts, warnings: Sequence[str]) -> list[str]:
    """The word, the numbers and the comparisons, as Markdown."""
    evaluation = facts["evaluation"]
    shown = sides(evaluation)
    return [
        *markdown.word(facts, warnings),
        f"{evaluation['counted']} of {evaluation['questions']} questions counted, in {evaluation['paired']['problems']}"
        f" groups. Right: {evaluation['right']}.",
        "",
        *markdown.figures((one.label for one in shown), figures(evaluation)),
        "",
        *markdown.noted(ran(evaluation)),
        *markdown.comparisons(shown[1:]),
    ]


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
