"""What a step would take, before it is run: nothing is sent, no model is loaded, no Prefect is needed."""

from __future__ import annotations

import contextlib
from typing import Any

from flows.bases import local
from flows.chain import chain
from flows.recipe import Recipe
from storage.home import Home
from storage.records import Receipt, UsageError
from tasks.forecast import forecast, stand_in
from tasks.step import Step, run_step


class _Reached(Exception):
    """The step that is to be estimated."""


def reason(recipe: Recipe, home: Home) -> dict[str, Any]:
    """Requests, tokens and price of asking the teacher; parses if that is not done."""
    from storage.ledger import Ledger
    from storage.questions import Stored
    from tasks.reason import estimate

    recipe.require("reason")
    found: list[Receipt] = []

    def do(step: Step) -> Receipt:
        if step.name == "reason":
            raise _Reached
        found.append(run_step(step, home)[0])
        return found[-1]

    with contextlib.suppress(_Reached):
        chain(recipe, do, home.root)
    with Ledger(home) as ledger:
        return estimate(recipe.reason, Stored(home, found[-1]), ledger)


def train(recipe: Recipe, home: Home) -> dict[str, Any]:
    """Memory, steps, tokens and time of training. UsageError if the snapshot is not built: that may cost money."""
    from tasks.train import estimate

    recipe = local(recipe, home.root)
    spec = recipe.training
    found: list[Receipt] = []

    def say(step: Step) -> Receipt:
        if step.name == "train":
            raise _Reached
        told = forecast(step, home)
        if told.status != "cached":
            raise UsageError(
                "the snapshot is not built yet",
                seen=f"{step.name}: {told.why}",
                expected="rows to count",
                hint="ponens assemble RECIPE",
            )
        found.append(stand_in(told))
        return found[-1]

    with contextlib.suppress(_Reached):
        chain(recipe, say, home.root)
    return estimate(spec, home, found[-1])
