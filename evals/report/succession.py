"""Adapters that went on from one another, each against the one before it, as a report shows them."""

from __future__ import annotations

from typing import Any, NamedTuple

from evals.evaluation import EvaluationFacts, PairedFacts
from evals.report.facts import Facts


class Stage(NamedTuple):
    """One of them against its parent, as other comparisons are told."""

    label: str
    paired: PairedFacts


def compared(evaluation: EvaluationFacts) -> list[Stage]:
    """Each stage of an evaluation; none where no adapter went on from another of it."""
    return [Stage(f"{one['child']} against {one['parent']}", one["paired"]) for one in evaluation.get("stages", [])]


def with_questions(facts: Facts) -> list[dict[str, Any]]:
    """Each stage, with the questions themselves in place of the ids that it fixed and broke."""
    by_id = {question["id"]: question for question in facts["questions"]}
    return [
        {**one, **{"fixed": [by_id[id] for id in one["fixed"]], "broken": [by_id[id] for id in one["broken"]]}}
        for one in facts["evaluation"].get("stages", [])
    ]
