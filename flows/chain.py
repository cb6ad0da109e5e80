"""The order of events: read this first.

`chain` is all there is to a run and to a plan. What it is given as `do` either does a step or says
what doing it would mean; a step that `do` has not done yet has a receipt without a digest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from flows.recipe import Recipe, resolved
from storage.records import Receipt
from tasks import assemble, candidates, evaluate, parse, puzzles, reason, report, train
from tasks.step import Step

Do = Callable[[Step], Receipt]


def chain(recipe: Recipe, do: Do, home: Path) -> None:
    """From a file of questions, or of dialogues, to a verdict on an adapter."""
    parsed = _parsed(recipe, do, home)
    rationales = do(reason.step(recipe.reason, parsed)) if recipe.kind == "choice" else None
    about = {"recipe": recipe.name, "base_model": recipe.train.base_model}
    snapshot = do(assemble.step(recipe.assemble, parsed, rationales, recipe.kind, **about))
    adapter = do(train.step(recipe.train, recipe.name, snapshot, resolved(recipe)))
    verdict = do(
        evaluate.step(recipe.evaluate, recipe.train, parsed, adapter, rendering=recipe.train.wish, kind=recipe.kind)
    )
    made = [parsed, *([rationales] if rationales else []), snapshot, adapter, verdict]
    do(report.step(recipe.report, resolved(recipe), made))


def compare(recipe: Recipe, do: Do, home: Path, adapters: Sequence[str]) -> None:
    """A verdict on adapters that are there already, "NAME/N" or "NAME@latest", and the report on it."""
    parsed = _parsed(recipe, do, home)
    named = candidates.named(home, adapters)
    verdict = do(
        evaluate.step(recipe.evaluate, recipe.train, parsed, *named, rendering=recipe.train.wish, kind=recipe.kind)
    )
    do(report.step(recipe.report, resolved(recipe), [parsed, verdict]))


def contest(recipe: Recipe, do: Do, home: Path, adapters: Sequence[str]) -> list[Receipt]:
    """Adapters on the recipe's gate set, each over the base and with the rendering that it was trained with.

    Each evaluation is by itself: the one that a run came to on its test split is found done.
    """
    asked = _gate_set(recipe, do, home)
    spec = recipe.evaluate.model_copy(update={"on_mismatch": "warn"})
    wish, kind = recipe.train.wish, recipe.kind
    return [
        do(evaluate.step(spec, candidates.base_of(home, one) or recipe.train, asked, one, rendering=wish, kind=kind))
        for one in candidates.named(home, adapters)
    ]


def _gate_set(recipe: Recipe, do: Do, home: Path) -> Receipt:
    if not recipe.gate:
        return _parsed(recipe, do, home)
    spec = parse.ParseSpec(path=recipe.gate, valid=0.0, test=1.0)
    fetched = home / "fetched"
    return do(parse.step(spec, parse.source(spec, fetched=fetched), fetched, recipe.kind))


def _parsed(recipe: Recipe, do: Do, home: Path) -> Receipt:
    return do(parse.step(recipe.parsing, _source(recipe, do, home), home / "fetched", recipe.kind))


def _source(recipe: Recipe, do: Do, home: Path) -> parse.Source:
    if recipe.puzzles:
        return parse.generated(do(puzzles.step(recipe.puzzles)), home)
    return parse.source(recipe.parse, fetched=home / "fetched")
