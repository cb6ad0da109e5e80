"""`ponens promote`, `ponens rollback`: who answers as NAME@champion."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows import show
from storage.home import Home
from storage.records import UsageError

if TYPE_CHECKING:
    from flows.chain import Walk
    from storage.adapters.versions import Adapter
    from tasks.runtime.step import Secret

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Because = Annotated[str, typer.Option(metavar="TEXT", help="Why; it stands in the history.")]
RecipeOption = Annotated[
    Path | None,
    typer.Option("--recipe", help="The recipe with the gate set; by default that of the run which made the adapter."),
]


def promote(
    adapter: Annotated[str, typer.Argument(metavar="ADAPTER", help="NAME/N or NAME@latest.", show_default=False)],
    recipe: RecipeOption = None,
    force: Annotated[bool, typer.Option("--force", help="Without a look at the gate set; needs --because.")] = False,
    because: Because = "",
    json: Json = False,
) -> None:
    """Make an adapter the champion if it is better than the present one on the recipe's gate set."""
    from flows import gate
    from flows.chain import Walk
    from flows.recipe import load
    from storage.adapters import versions as adapters

    home = Home.beside(recipe)
    one = adapters.resolve(home, adapter)
    if force:
        found = gate.force(home, one, because, webhook_of(home, one, recipe))
    else:
        chosen = load(recipe) if recipe else gate.recipe_of(home, one)
        walk = Walk(gate.promote(chosen, home, one, _secret(), because.strip()))
        _measure(walk, home)
        found = walk.result
    if json:
        show.emit(found)
    elif found["champion"] == str(one):
        show.promotion(found)
    if found["champion"] != str(one):
        raise gate.refusal(found)


def rollback(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The adapter, without a version.", show_default=False)],
    because: Because = "",
    recipe: RecipeOption = None,
    json: Json = False,
) -> None:
    """Make the champion before the present one the champion again."""
    from flows import gate
    from storage.adapters import champions

    home = Home.beside(recipe)
    found = gate.rollback(home, name, because, webhook_of(home, champions.champion(home, name), recipe))
    if json:
        show.emit(found)
    else:
        show.promotion(found)


def webhook_of(home: Home, adapter: Adapter | None, path: Path | None) -> str | None:
    """Where a change of this champion is posted; where no recipe is known, the environment alone says."""
    from flows import gate
    from flows.recipe import load

    known = load(path) if path else None
    if adapter and not path:
        with suppress(UsageError):
            known = gate.recipe_of(home, adapter)
    return gate.webhook(known, _secret())


def _measure(walk: Walk[Any], home: Home) -> None:
    """Do the steps in this process: what was evaluated is found, whoever evaluated it."""
    from flows.screen import Screen
    from tasks.runtime.step import run_step

    screen, secret = Screen(), _secret()
    for step in walk:
        with screen.working(step.name) as tell:
            walk.done(run_step(step, home, progress=tell, secret=secret)[0])


def _secret() -> Secret:
    """Keys from the environment and, where there is a Prefect server to ask, from its Secret blocks."""
    if not os.environ.get("PREFECT_API_URL"):
        return os.environ.get
    from flows.run import secret

    return secret
