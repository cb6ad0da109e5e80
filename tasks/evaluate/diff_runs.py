"""Two runs side by side: what was set otherwise, which steps differ, and which of the two adapters is better.

    diff(find(home, "20261121"), find(home, "logic@latest"))

The verdict is that of `evals.verdict`, over the questions that both runs asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evals.verdict import verdict
from storage.records import PonensError
from storage.runs import Run
from tasks.kinds.read_back import Answer, answered

Row = dict[str, Any]


def diff(a: Run, b: Run) -> dict[str, Any]:
    """What two runs have in common and what not; `evaluation` is None unless both were evaluated.

    In `evaluation`, `base` is the adapter of the first run and `adapter` that of the second. Chats are right where
    they are preferred to their own run's base. PonensError if the evaluation of a run is gone, or no question was
    asked by both.
    """
    return {
        "a": _told(a),
        "b": _told(b),
        "settings": list(_settings(a.recipe, b.recipe)),
        "steps": _steps(a, b),
        "evaluation": _evaluation(a, b) if all("evaluation" in run.outcome for run in (a, b)) else None,
    }


def _told(run: Run) -> dict[str, Any]:
    found = run.outcome
    evaluation = found.get("evaluation") or {}
    return {
        "run": run.id,
        "recipe": found.get("recipe"),
        "outcome": found.get("outcome"),
        "adapter": found.get("adapter") or evaluation.get("adapter_name"),
        "snapshot": found.get("dataset", {}).get("snapshot"),
        "accuracy": (evaluation.get("adapter") or evaluation.get("base") or {}).get("accuracy"),
    }


def _settings(a: Any, b: Any, path: str = "") -> Iterator[dict[str, Any]]:
    """Settings that differ, by their dotted names; None where one recipe does not have it."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for name in sorted({*a, *b}):
            yield from _settings(a.get(name), b.get(name), f"{path}.{name}" if path else name)
    elif a != b:
        yield {"setting": path, "a": a, "b": b}


def _steps(a: Run, b: Run) -> list[dict[str, Any]]:
    keys = [{done["name"]: done["key"] for done in run.outcome.get("steps", [])} for run in (a, b)]
    names = [*keys[0], *(name for name in keys[1] if name not in keys[0])]
    return [{"step": name, "same": keys[0].get(name) == keys[1].get(name)} for name in names]


def _evaluation(a: Run, b: Run) -> dict[str, Any]:
    sides = [_answers(run) for run in (a, b)]
    both = sides[0].keys() & sides[1].keys()
    if not both:
        raise PonensError(
            "the two runs asked no question in common",
            seen=f"{len(sides[0])} and {len(sides[1])} questions",
            expected="evaluations on the same test questions",
            hint="evaluate both adapters with one recipe: ponens evaluate RECIPE --adapter NAME/1 --adapter NAME/2",
        )
    first, second = ([side[id].row for id in sorted(both)] for side in sides)
    judged = verdict(first, second, (a.id, b.id))

    def shown(ids: tuple[str, ...]) -> list[Row]:
        return [
            {
                "id": id,
                "source_id": sides[0][id].source_id,
                "question": sides[0][id].asked,
                "gold": sides[0][id].gold,
                "a": sides[0][id].answer,
                "b": sides[1][id].answer,
            }
            for id in ids
        ]

    return {
        **judged.dict(),
        "only_a": len(sides[0]) - len(both),
        "only_b": len(sides[1]) - len(both),
        "fixed": shown(judged.fixed),
        "broken": shown(judged.broken),
    }


def _answers(run: Run) -> dict[str, Answer]:
    """What the run's adapter answered, by question, or the base that was measured by itself."""
    return dict(answered(run)[:2][-1].answers)
