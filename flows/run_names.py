"""What a run is called in Prefect: its recipe, and what of it is set otherwise.

logic                                   as it was before, or as its deployment has it
logic: train.rank=32                    --set, else against the deployment's defaults, else against the run before
logic: train.rank=32, train.epochs=2, evaluate.votes=9 and 4 more
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from prefect.context import FlowRunContext

from flows.recipe import Recipe
from storage.home import Home
from tasks.runtime.settings_diff import differences

_SHOWN = 3  # changes that a name tells
_LOOKED_AT = 50  # earlier runs, among which the recipe's last one is looked for


def run_name() -> str:
    """The name of the flow run that begins now."""
    context = FlowRunContext.get()
    assert context is not None and context.parameters is not None
    recipe: Recipe = context.parameters["recipe"]
    by_hand: list[str] = context.parameters.get("set") or []
    if "adapters" in context.parameters:
        return called(recipe.name, [*context.parameters["adapters"], *recipe.evaluate.models])
    home: Path | None = context.parameters.get("home")
    before = _deployed(context, recipe.name) or _last(Home(home.resolve()) if home else Home.beside(), recipe.name)
    other = differences(before, recipe.model_dump(mode="json")) if before else []
    return called(recipe.name, [*by_hand, *other])


def given(recipe: str, changes: Sequence[str]) -> Callable[[], str]:
    """What names a run whose changes are known. A function: Prefect would fill in the braces of a text."""
    return lambda: called(recipe, changes)


def called(recipe: str, changes: Sequence[str]) -> str:
    """A recipe's name with its changes, the first of them in full.

    >>> called("logic", ["train.rank=32"])
    'logic: train.rank=32'
    """
    more = f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    return f"{recipe}: {', '.join(changes[:_SHOWN])}{more}" if changes else recipe


def _deployed(context: FlowRunContext, name: str) -> dict[str, Any] | None:
    """The recipe that the deployment of this run was set up with, if it is the same one."""
    if context.flow_run is None or context.flow_run.deployment_id is None:
        return None
    found: Any = context.client.read_deployment(context.flow_run.deployment_id)
    recipe = found.parameters.get("recipe")
    if not recipe or recipe.get("name") != name:
        return None
    return Recipe.model_validate(recipe).model_dump(mode="json")


def _last(home: Home, name: str) -> dict[str, Any] | None:
    """The recipe of the newest run of this name in a home. A thousand earlier runs take no longer than a few."""
    folder = home.root / "runs"
    names = sorted((entry.name for entry in folder.iterdir()), reverse=True) if folder.is_dir() else []
    for id in islice(names, _LOOKED_AT):
        try:
            recipe: dict[str, Any] = orjson.loads((folder / id / "recipe.json").read_bytes())
        except (OSError, orjson.JSONDecodeError):
            continue
        if recipe.get("name") == name:
            return recipe
    return None
