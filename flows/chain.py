"""The order of events: read this first.

`chain` is all there is to a run and to a plan. What it is given as `do` either does a step or says
what doing it would mean; a step that `do` has not done yet has a receipt without a digest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from flows.recipe import Recipe, resolved
from storage.records import Receipt
from tasks import assemble, evaluate, parse, puzzles, reason, report, train
from tasks.step import Step

Do = Callable[[Step], Receipt]


def chain(recipe: Recipe, do: Do, home: Path) -> None:
    """From a file of questions, or of dialogues, to a verdict on an adapter."""
    parsed = _parsed(recipe, do, home)
    rationales = do(reason.step(recipe.reason, parsed)) if recipe.kind == "choice" else None
    about = {"recipe": recipe.name, "base_model": recipe.train.base_model}
    snapshot = do(assemble.step(recipe.assemble, parsed, rationales, recipe.kind, **about))
    adapter = do(train.step(recipe.train, recipe.name, snapshot))
    if rationales is None:
        return  # replies to dialogues are not scored yet (Recipe.steps): what scores them is done here
    ballots = do(evaluate.step(recipe.evaluate, recipe.train, parsed, adapter))
    do(report.step(recipe.report, resolved(recipe), (parsed, rationales, snapshot, adapter, ballots)))


def compare(recipe: Recipe, do: Do, home: Path, adapters: Sequence[str]) -> None:
    """A verdict on adapters that are there already: "NAME/N" or "NAME@latest"."""
    recipe.require("evaluate")
    questions = _parsed(recipe, do, home)
    do(evaluate.step(recipe.evaluate, recipe.train, questions, *evaluate.candidates(home, adapters)))


def _parsed(recipe: Recipe, do: Do, home: Path) -> Receipt:
    return do(parse.step(recipe.parse, _source(recipe, do, home), home / "fetched", recipe.kind))


def _source(recipe: Recipe, do: Do, home: Path) -> parse.Source:
    if recipe.puzzles:
        return parse.generated(do(puzzles.step(recipe.puzzles)), home)
    return parse.source(recipe.parse, fetched=home / "fetched")
