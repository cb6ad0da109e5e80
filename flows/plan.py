"""plan: which steps of a recipe would run, and why, and what would go wrong in them, without running anything."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from flows.bases import local
from flows.chain import Walk, chain, compare
from flows.dry_run import Dry, Outlook, outlooks
from flows.estimates import parse_of
from flows.recipe import Recipe
from storage.home import Home
from storage.records import PonensError
from tasks.parse import reference_queries
from tasks.runtime.forecast import Forecast, forecast, stand_in
from tasks.runtime.step import Secret


def plan(
    recipe: Recipe, home: Home, refresh: Collection[str] = (), adapters: Sequence[str] | None = None
) -> list[Forecast]:
    """One forecast a step, in order; with `adapters`, none perhaps, of their comparison, in which nothing is trained.

    UsageError if the recipe's source, or one of the adapters, is not there.
    """
    return list(_forecasts(recipe, home, refresh, adapters))


def _forecasts(
    recipe: Recipe, home: Home, refresh: Collection[str] = (), adapters: Sequence[str] | None = None
) -> Iterator[Forecast]:
    walk = Walk(chain(recipe, home.root) if adapters is None else compare(recipe, home.root, adapters))
    for step in walk:
        ahead = forecast(step, home, refresh=step.name in refresh)
        yield ahead
        walk.done(stand_in(ahead))
    if recipe.promote and adapters is None:
        yield Forecast("promote", "will_run", "it depends on who is champion then")


def on_references(recipe: Recipe, forecasts: Sequence[Forecast]) -> tuple[str, list[dict[str, Any]]]:
    """How references of text-to-SQL will be tried, or were, in a sentence; and the warnings about them."""
    facts = [ahead.receipt.facts for ahead in forecasts if ahead.receipt]
    tried = next((fact["references"] for fact in facts if "references" in fact), None)
    told = reference_queries.outlook(recipe.evaluating, tried) if recipe.work.databases else ""
    return told, reference_queries.warnings(tried)


def examine(recipe: Recipe, home: Home, secret: Secret) -> list[Outlook]:
    """The dry run: the source is parsed, which costs nothing; all else is looked at, and nothing else is done."""
    forecasts: list[Forecast] = []
    stopped: list[Outlook] = []
    try:
        for ahead in _forecasts(recipe, home):
            forecasts.append(ahead)  # what was forecast before an error counts
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
        parsed = parse_of(recipe, home)
    found = outlooks(Dry(local(recipe, home.root), home, parsed, by_name, secret))
    whole = "evaluate" not in by_name or "train" in by_name or recipe.train is None  # else nothing is trained
    return found if whole else [one for one in found if one.step in by_name]
