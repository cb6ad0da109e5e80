"""The parts of a report on votes for letters: curves, slices, reading, certainty, examples, every question packed.

Every question with its samples travels as compressed JSON, which `report.js` renders row by row.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from evals import corrected
from evals.evaluation import Measure, Subject, subjects
from evals.report import markdown, plots, rationales, succession
from evals.report.packed import packed
from evals.report.text import cell, interval, percent

if TYPE_CHECKING:
    from evals.report.facts import Facts

TEMPLATE = "report_voted.html.j2"
SCRIPT = "report.js"
CHANGES = ("broken", "fixed", "both wrong", "both right")
MEASURES: tuple[tuple[str, Measure], ...] = (
    ("single sample, on average", "single_accuracy"),
    ("greedy reply", "greedy_accuracy"),
    ("letter forced", "forced_accuracy"),
    ("of questions that were answered", "readable_accuracy"),
    ("questions without an answer", "unreadable"),
    ("votes without an answer", "unreadable_samples"),
)
_EXAMPLES = {"broken": 10, "fixed": 10, "both wrong": 4}
_LISTED = 60


def values(facts: Facts) -> dict[str, Any]:
    """What the template asks for."""
    evaluation, questions = facts["evaluation"], facts["questions"]
    shown = subjects(evaluation)
    table, left_out = packed(questions)
    by_change = {change: [q for q in questions if q["change"] == change] for change in CHANGES}
    return {
        "by_change": by_change,
        "listed": _LISTED,
        "stages": succession.with_questions(facts),
        "measures": MEASURES,
        "examples": [q for change, most in _EXAMPLES.items() for q in islice(by_change[change], most)],
        "subjects": shown,
        "adapters": shown[1:],
        "asked": [one for one in shown if one.side["samples"] and one.name in evaluation["consistency"]],
        "consistency": [(one, told) for one in shown if (told := evaluation["consistency"].get(one.name))],
        "read_by": _busiest(shown, "extractors"),
        "abstained": _busiest(shown, "abstentions"),
        "plots": {
            "accuracy": plots.accuracy(evaluation),
            "votes": plots.curves(evaluation, "vote"),
            "passes": plots.curves(evaluation, "pass"),
            "flips": plots.flips(shown[1:]),
            "slices": [(by, plots.slices(shown[1:], by)) for by in _parted(shown[1])],
            "calibration": [(one, plot) for one in shown if (plot := plots.reliability(one))],
        },
        "table_labels": json.dumps([[one.label, one.style] for one in shown]),
        "table": table,
        "left_out": left_out,
    }


def lines(facts: Facts, warnings: Sequence[str]) -> list[str]:
    """The word, the numbers and the comparisons, as Markdown."""
    evaluation = facts["evaluation"]
    shown = subjects(evaluation)
    found = [
        *markdown.word(facts, warnings),
        f"{evaluation['questions']} questions in {evaluation['paired']['problems']} problems, {evaluation['votes']}"
        f" votes each, engine {cell(evaluation['engine'])}, temperature {evaluation['temperature']:g}.",
        "",
        *markdown.noted(corrected.told(evaluation.get("corrections"))),
        *markdown.figures(
            (one.label for one in shown),
            [
                ("**majority vote**", (f"**{percent(one.side['accuracy'])}**" for one in shown)),
                ("95 % interval", (interval(one.side["ci95"]) for one in shown)),
                *(
                    (name, (percent(one.side[key]) for one in shown))
                    for name, key in MEASURES
                    if any(one.side[key] is not None for one in shown)
                ),
            ],
        ),
        "",
        *markdown.comparisons([*shown[1:], *succession.compared(evaluation)]),
    ]
    if asked := facts["rationales"]:
        found += ["", f"{asked['kept']} of {asked['requests']} rationales kept. {rationales.told(asked['suspects'])}"]
    return found


def _parted(subject: Subject) -> list[str]:
    """What the questions are sliced by; one part alone says nothing and is left out."""
    parts = Counter(part["by"] for part in subject.slices)
    return [by for by, n in parts.items() if n > 1]


def _busiest(shown: Sequence[Subject], what: Literal["extractors", "abstentions"]) -> list[str]:
    """Names of extractors or of classes of abstention, those of most votes first."""
    found = Counter[str]()
    for one in shown:
        for name, counted in one.side[what].items():
            found[name] += counted if isinstance(counted, int) else counted["n"]
    return [name for name, _ in found.most_common()]
