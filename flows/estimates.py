"""What a step would take, before it is run: nothing is sent, no model is loaded, no Prefect is needed."""

from __future__ import annotations

from typing import Any

from flows.bases import local
from flows.chain import Walk, chain
from flows.recipe import Recipe
from storage.home import Home
from storage.records import Receipt, UsageError
from tasks.runtime.forecast import forecast, stand_in
from tasks.runtime.step import run_step


def reason(recipe: Recipe, home: Home) -> dict[str, Any]:
    """Requests, tokens and price of asking the teacher; parses if that is not done."""
    from storage.ledger import Ledger
    from storage.tables.questions import Stored
    from tasks.reason.step import estimate

    recipe.require("reason")
    walk = Walk(chain(recipe, home.root))
    for step in walk:
        if step.name == "reason":
            break
        parsed = walk.done(run_step(step, home)[0])
    with Ledger(home) as ledger:
        return estimate(recipe.reason.worded(recipe.prompting.words), Stored(home, parsed), ledger)


def train(recipe: Recipe, home: Home) -> dict[str, Any]:
    """Memory, steps, tokens and time of training. UsageError if the snapshot is not built: that may cost money."""
    from tasks.train.step import estimate

    recipe = local(recipe, home.root)
    spec = recipe.training
    walk = Walk(chain(recipe, home.root))
    for step in walk:
        if step.name == "train":
            break
        told = forecast(step, home)
        if told.status != "cached":
            raise UsageError(
                "the snapshot is not built yet",
                seen=f"{step.name}: {told.why}",
                expected="rows to count",
                hint="ponens assemble RECIPE",
            )
        snapshot = walk.done(stand_in(told))
    return estimate(spec, home, snapshot)


def evaluate(recipe: Recipe, home: Home) -> dict[str, Any]:
    """What models behind an API would be asked at most, and what it would cost; parses if that is not done."""
    from storage.ledger import Ledger
    from tasks.evaluate.step import estimate

    recipe = local(recipe, home.root)
    if not any(one.provider for one in recipe.evaluate.rivals):
        raise UsageError(
            "no model behind an API is named",
            seen=f"[evaluate] models = {recipe.evaluate.models}",
            expected="one such as openai:MODEL, in --model; all else costs nothing but time",
        )
    parsed = parse_of(recipe, home)
    with Ledger(home) as ledger:
        return {
            "estimate": True,
            "models": estimate(recipe.evaluating, parsed, recipe.kind, home, ledger, recipe.prompting.words),
        }


def parse_of(recipe: Recipe, home: Home) -> Receipt:
    """What the recipe's source holds, parsed now if it is not."""
    walk = Walk(chain(recipe, home.root))
    for step in walk:
        receipt = walk.done(run_step(step, home)[0])
        if step.name == "parse":
            break
    return receipt
