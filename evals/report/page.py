"""A run's report: one self-contained page that answers a reader's questions, and its core as Markdown.

    facts ──page──▶ HTML (no network, no other file)      facts ──markdown──▶ a Prefect artifact

Whatever was evaluated, the report begins with the word and ends with the way back (`report.html.j2`). What stands
between is of a form: votes for letters, scores of any kind, or a base that was measured by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from evals import corrected, costs
from evals.alarms import risen
from evals.report import alone_page, plots, scored_page, voted_page
from evals.report.markdown import TOY, TOY_SETTING, stages
from evals.report.templates import rendered

if TYPE_CHECKING:
    from evals.report.facts import CourseKey, Form, RunFacts, TrainingFacts

_FORMS: dict[Form, ModuleType] = {"voted": voted_page, "scored": scored_page, "alone": alone_page}
_COURSES: tuple[tuple[CourseKey, str], ...] = (
    ("loss", "Loss on the tokens that are learnt"),
    ("learning_rate", "Learning rate"),
    ("tokens_per_second", "Trained tokens a second"),
    ("memory", "Most memory so far, GiB"),
)


def page(facts: RunFacts) -> str:
    """The report as one HTML document."""
    form = _FORMS[facts["form"]]
    values: dict[str, Any] = form.values(facts)
    values["plots"] = {"training": _courses(facts["training"]), **values.get("plots", {})}
    return rendered(
        form.TEMPLATE,
        form.SCRIPT,
        facts=facts,
        evaluation=facts["evaluation"],
        paired=facts["evaluation"].get("paired"),
        warnings=warnings(facts),
        corrected=corrected.told(facts["evaluation"].get("corrections")),
        costs=costs.of_models(facts["evaluation"]),
        toy_text=TOY,
        toy_setting=TOY_SETTING,
        **values,
    )


def markdown(facts: RunFacts) -> str:
    """The word, the numbers, the comparisons and their correction, the stages and the way back, as Markdown."""
    lines: Sequence[str] = _FORMS[facts["form"]].lines(facts, warnings(facts))
    again = ["", "Get it again:", "", f"    {facts['command']}", ""]
    return "\n".join([*lines, "", *stages(facts["steps"], facts["thrown_away"]), *again])


def warnings(facts: RunFacts) -> list[str]:
    """What an evaluation warns of, and what its training does."""
    training = facts["training"]
    losses = [row["loss"] for row in training["rows"] if "loss" in row] if training else []
    return [*facts["evaluation"]["warnings"], *(risen(losses[0], losses[-1]) if losses else [])]


def _courses(training: TrainingFacts | None) -> list[tuple[str, str]]:
    rows = training["rows"] if training else []
    return [(label, plot) for key, label in _COURSES if (plot := plots.course(rows, key, label))]
