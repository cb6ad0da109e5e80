"""The order of events: read this first.

`chain` is all there is to a run and to a plan. What it is given as `do` either does a step or says
what doing it would mean; a step that `do` has not done yet has a receipt without a digest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from flows.bases import local
from flows.recipe import Recipe, resolved
from storage.records import Receipt, UsageError
from tasks import assemble, candidates, evaluate, parse, puzzles, reason, references, report, train
from tasks.step import Step

Do = Callable[[Step], Receipt]


def chain(recipe: Recipe, do: Do, home: Path) -> None:
    """From a file of questions, or of dialogues, to a verdict on an adapter; without [train], to a base's figures."""
    recipe = local(recipe, home)
    if recipe.train is None:
        measure(recipe, do, home)
        return
    parsed = _parsed(recipe, do, home)
    train.check(recipe.train)  # before a teacher is paid
    rationales = do(reason.step(recipe.reason, parsed)) if recipe.kind == "choice" else None
    about = {"recipe": recipe.name, "base_model": recipe.train.base_model}
    snapshot = do(assemble.step(recipe.assemble, parsed, rationales, recipe.kind, **about))
    adapter = do(train.step(recipe.train, recipe.name, snapshot, resolved(recipe)))
    verdict = do(
        evaluate.step(recipe.evaluating, recipe.train, parsed, adapter, rendering=recipe.train.wish, kind=recipe.kind)
    )
    made = [parsed, *([rationales] if rationales else []), snapshot, adapter, verdict]
    do(report.step(recipe.report, resolved(recipe), made))


def compare(recipe: Recipe, do: Do, home: Path, adapters: Sequence[str]) -> None:
    """A verdict on adapters that are there already, "NAME/N" or "NAME@latest", and the report on it."""
    recipe = local(recipe, home)
    named = candidates.named(home, adapters)
    base, wish = recipe.base or candidates.base(home, named), recipe.train.wish if recipe.train else None
    parsed = _parsed(recipe, do, home)
    verdict = do(evaluate.step(recipe.evaluating, base, parsed, *named, rendering=wish, kind=recipe.kind))
    do(report.step(recipe.report, resolved(recipe), [parsed, verdict]))


def measure(recipe: Recipe, do: Do, home: Path) -> None:
    """What a base can do by itself. UsageError if the recipe names none."""
    recipe = local(recipe, home)
    base = _named(recipe.base)
    parsed = _parsed(recipe, do, home)
    measured = do(evaluate.step(recipe.evaluating, base, parsed, kind=recipe.kind))
    do(report.step(recipe.report, resolved(recipe), [parsed, measured]))


def contest(recipe: Recipe, do: Do, home: Path, adapters: Sequence[str]) -> list[Receipt]:
    """Adapters on the recipe's gate set, each over the base and with the rendering that it was trained with.

    Each evaluation is by itself: the one that a run came to on its test split is found done.
    """
    recipe = local(recipe, home)
    asked = _gate_set(recipe, do, home)
    spec = recipe.evaluating.model_copy(update={"on_mismatch": "warn"})
    found, wish = [], recipe.train.wish if recipe.train else None
    for one in candidates.named(home, adapters):
        base = candidates.stated(home, one) or recipe.base or candidates.base(home, [one])
        found.append(do(evaluate.step(spec, base, asked, one, rendering=wish, kind=recipe.kind)))
    return found


def again(recipe: Recipe, do: Do, home: Path, asked: Recipe, champion: str | None, round: str, seed: int) -> Receipt:
    """The champion, if there is one, and the base on the test split of `asked`, all replies drawn anew in this round.

    `seed` is added to that of `asked`. UsageError if no base is known.
    """
    recipe, asked = local(recipe, home), local(asked, home)
    named = candidates.named(home, [champion] if champion else [])
    base = _named((candidates.stated(home, named[0]) if named else None) or recipe.base or asked.base)
    spec = asked.evaluating.model_copy(update={"on_mismatch": "warn", "seed": asked.evaluate.seed + seed})
    wish = recipe.train.wish if recipe.train else None
    parsed = _parsed(asked, do, home)
    return do(evaluate.step(spec, base, parsed, *named, rendering=wish, kind=asked.kind, round=round))


def _named(base: candidates.Base | None) -> candidates.Base:
    if base is None:
        raise UsageError(
            "there is no model to measure",
            expected="[evaluate] base_model, or adapters that are there",
            hint="--set evaluate.base_model=ORG/NAME, or `ponens evaluate RECIPE --adapter NAME/N`",
        )
    return base


def _gate_set(recipe: Recipe, do: Do, home: Path) -> Receipt:
    if not recipe.gate:
        return _parsed(recipe, do, home)
    spec = parse.ParseSpec(path=recipe.gate, valid=0.0, test=1.0)
    fetched = home / "fetched"
    return _tried(do(parse.step(spec, parse.source(spec, fetched=fetched), fetched, recipe.kind, recipe.evaluating)))


def _parsed(recipe: Recipe, do: Do, home: Path) -> Receipt:
    source = _source(recipe, do, home)
    return _tried(do(parse.step(recipe.parsing, source, home / "fetched", recipe.kind, recipe.evaluating)))


def _tried(parsed: Receipt) -> Receipt:
    """What was parsed. UsageError where none of its references could be compared with."""
    references.require(parsed.facts.get("references"))
    return parsed


def _source(recipe: Recipe, do: Do, home: Path) -> parse.Source:
    if recipe.puzzles:
        return parse.generated(do(puzzles.step(recipe.puzzles)), home)
    return parse.source(recipe.parse, fetched=home / "fetched")
