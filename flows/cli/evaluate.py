"""ponens evaluate: base and adapter of a recipe, or any adapters and models against the recipe's base."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from flows import show
from flows.cli import commands
from storage.home import Home

if TYPE_CHECKING:
    from flows.recipe import StepName

Adapters = Annotated[list[str], typer.Option(metavar="NAME/N", help="Evaluate this adapter; train none.")]
Models = Annotated[
    list[str],
    typer.Option(
        metavar="MODEL",
        help="Evaluate this model; train none: openai:MODEL, dashscope:MODEL, hub:ORG/NAME or an adapter, NAME/N.",
    ),
]


def evaluate(
    path: Path,
    changes: Sequence[str],
    refresh: Sequence[str],
    subjects: Sequence[str],
    votes: int | None,
    *,
    estimate: bool,
    json: bool,
) -> None:
    """Evaluate the recipe's adapter, or the adapters and models that are named; or say what asking them would cost."""
    commands.begin(path)
    changes = [*changes, *([f"evaluate.votes={votes}"] if votes else [])]
    recipe, adapters = commands.load(path, changes).asking(subjects)
    if estimate:
        from flows import estimates

        facts = estimates.evaluate(recipe, Home.beside(path))
        return show.emit(facts) if json else show.models(facts)
    if adapters is None:
        return commands.run(path, changes, refresh, "evaluate", json=json)
    commands.known_steps(refresh)
    with commands.in_prefect():
        from flows.comparisons import evaluate_adapters

        steps = cast("list[StepName]", list(refresh))
        summary = evaluate_adapters(recipe, adapters=adapters, home=Home.beside(path).root, refresh=steps)
    if json:
        show.emit(summary)
    else:
        show.comparison(summary)
