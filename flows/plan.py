"""plan: which steps of a recipe would run, and why, and what would go wrong in them, without running anything."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from flows.bases import local
from flows.chain import chain
from flows.dry_run import Dry, Outlook, outlooks
from flows.recipe import Recipe
from storage.home import Home
from storage.records import PonensError, Receipt
from tasks.forecast import Forecast, forecast, stand_in
from tasks.step import Secret, Step, run_step


def plan(recipe: Recipe, home: Home, refresh: Collection[str] = ()) -> list[Forecast]:
    """One forecast a step, in order. UsageError if the recipe's source is not there."""
    forecasts: list[Forecast] = []
    _walk(recipe, home, refresh, forecasts)
    return forecasts


def _walk(recipe: Recipe, home: Home, refresh: Collection[str], forecasts: list[Forecast]) -> None:
    def say(step: Step) -> Receipt:
        forecasts.append(forecast(step, home, refresh=step.name in refresh))
        return stand_in(forecasts[-1])

    chain(recipe, say, home.root)
    if recipe.promote:
        forecasts.append(Forecast("promote", "will_run", "it depends on who is champion then"))


def examine(recipe: Recipe, home: Home, secret: Secret) -> list[Outlook]:
    """The dry run: the source is parsed, which costs nothing; all else is looked at, and nothing else is done."""
    forecasts: list[Forecast] = []
    stopped: list[Outlook] = []
    try:
        _walk(recipe, home, (), forecasts)
    except PonensError as error:
        name = recipe.steps[min(len(forecasts), len(recipe.steps) - 1)]
        stopped.append(Outlook("recipe", name, "", error))
        if not forecasts:
            return stopped
    try:
        found = look(recipe, home, forecasts, secret, parse=True)
    except PonensError as error:
        return [*stopped, Outlook("data", "parse", "", error)]
    said = {str(one.error) for one in found}
    return [one for one in stopped if str(one.error) not in said] + found


def look(
    recipe: Recipe, home: Home, forecasts: list[Forecast], secret: Secret, *, parse: bool = False
) -> list[Outlook]:
    """What would go wrong in the steps that would run; with `parse` the source is parsed where it is not yet."""
    by_name = {one.name: one for one in forecasts}
    told = by_name["parse"]
    parsed = told.receipt if told.status == "cached" else None
    if parsed is None and parse:
        parsed = _parsed(recipe, home)
    return outlooks(Dry(local(recipe, home.root), home, parsed, by_name, secret))


class _Parsed(Exception):
    """The source is parsed."""


def _parsed(recipe: Recipe, home: Home) -> Receipt:
    made: list[Receipt] = []

    def do(step: Step) -> Receipt:
        made.append(run_step(step, home)[0])
        if step.name == "parse":
            raise _Parsed
        return made[-1]

    with suppress(_Parsed):
        chain(recipe, do, home.root)
    return made[-1]
