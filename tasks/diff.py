"""Two runs side by side: what was set otherwise, which steps differ, and which of the two adapters is better.

    diff(find(home, "20261121"), find(home, "logic@latest"))

The verdict is that of `evals.verdict`, over the questions that both runs asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from evals.verdict import verdict
from storage.questions import Stored
from storage.records import PonensError
from storage.runs import Run
from storage.samples import BALLOTS

Row = dict[str, Any]


def diff(a: Run, b: Run) -> dict[str, Any]:
    """What two runs have in common and what not; `evaluation` is None unless both were evaluated.

    In `evaluation`, `base` is the adapter of the first run and `adapter` that of the second. PonensError if the
    ballots of a run are gone, or no question was asked by both.
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
    first, second = ([side[id] for id in sorted(both)] for side in sides)
    judged = verdict(first, second, (a.id, b.id))
    texts = {q.id: q for run in (a, b) if (parsed := run.receipt("parse")) for q in Stored(run.home, parsed)}

    def shown(ids: tuple[str, ...]) -> list[Row]:
        return [
            {
                "id": id,
                "source_id": texts[id].source_id if id in texts else "",
                "question": texts[id].question if id in texts else "",
                "gold": sides[0][id]["gold"],
                "a": sides[0][id]["answer"],
                "b": sides[1][id]["answer"],
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


def _answers(run: Run) -> dict[str, Row]:
    """The winners of the run's adapter by question, or of the base that was measured by itself."""
    evaluated = run.receipt("evaluate")
    file = run.home.root / evaluated.artifact / BALLOTS if evaluated else None
    if evaluated is None or file is None or not file.exists():
        raise PonensError(
            f"the ballots of run {run.id} are gone",
            seen=file or "no receipt of its evaluation",
            hint="run its recipe again: nothing that was sampled is sampled twice",
        )
    mine = pl.read_parquet(file).filter(pl.col("subject") == evaluated.facts.get("adapter_name", "base"))
    return {
        row["question"]: {"id": row["question"], "group": row["group"], "gold": row["gold"], "answer": row["winner"]}
        for row in mine.iter_rows(named=True)
    }
