"""plan: which steps of a recipe would run, and why, without running anything."""

from __future__ import annotations

from collections.abc import Collection

from flows.chain import chain
from flows.recipe import Recipe
from storage.home import Home
from storage.records import Receipt
from tasks.forecast import Forecast, forecast, stand_in
from tasks.step import Step


def plan(recipe: Recipe, home: Home, refresh: Collection[str] = ()) -> list[Forecast]:
    """One forecast a step, in order. UsageError if the recipe's source is not there."""
    forecasts: list[Forecast] = []

    def say(step: Step) -> Receipt:
        forecasts.append(forecast(step, home, refresh=step.name in refresh))
        return stand_in(forecasts[-1])

    chain(recipe, say, home.root)
    if recipe.promote:
        forecasts.append(Forecast("promote", "will_run", "it depends on who is champion then"))
    return forecasts
