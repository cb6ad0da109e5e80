"""The order of events: read this first.

`chain` is all there is to a run, a plan and an estimate: it yields each step and is sent its receipt. Whoever loops
over it does the step, or says what doing it would mean, and may leave at any step. The receipt of a step that is not
done yet has no digest.

    walk = Walk(chain(recipe, home.root))
    for step in walk:
        walk.done(run_step(step, home)[0])
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from flows.bases import local
from flows.recipe import Recipe, resolved
from storage.home import Home
from storage.records import Receipt, UsageError
from tasks.assemble import step as assemble
from tasks.evaluate import candidates
from tasks.evaluate import step as evaluate
from tasks.kinds.own_words import Asking
from tasks.parse import reference_queries
from tasks.parse import step as parse
from tasks.prefer import sample
from tasks.prefer import step as prefer
from tasks.puzzles import step as puzzles
from tasks.reason import step as reason
from tasks.report import step as report
from tasks.runtime.step import Step
from tasks.train import step as train
from tasks.tune import grpo_step as grpo
from tasks.tune import step as tune

T = TypeVar("T")
Events: TypeAlias = Generator[Step, Receipt, T]


class Walk(Iterator[Step], Generic[T]):
    """The steps of a chain, for a loop: each is answered with `done` before the next is taken."""

    result: T  # what the chain returns; there when the loop came to its end

    def __init__(self, events: Events[T]) -> None:
        self._events = events
        self._receipt: Receipt | None = None

    def __next__(self) -> Step:
        receipt, self._receipt = self._receipt, None
        try:
            return self._events.send(receipt) if receipt else next(self._events)
        except StopIteration as end:
            self.result = end.value
            raise

    def done(self, receipt: Receipt) -> Receipt:
        """What came of the step; handed back."""
        self._receipt = receipt
        return receipt


def chain(recipe: Recipe, home: Path) -> Events[None]:
    """From a file of questions, or of dialogues, to a verdict on an adapter; without [train], to a base's figures."""
    recipe = local(recipe, home)
    if recipe.train is None:
        yield from measure(recipe, home)
        return
    asking = recipe.prompting
    parsed = yield from _parsed(recipe, home, asking)
    train.check(recipe.training)  # before a teacher is paid
    for table, wanted in (("tune", recipe.tune), ("grpo", recipe.grpo)):
        if wanted:
            tune.check(recipe.training, table)
    teacher = recipe.reason.worded(asking.words)
    rationales = (yield reason.step(teacher, parsed, recipe.corrected)) if recipe.work.letters else None
    snapshot = yield assemble.step(
        recipe.assemble, parsed, rationales, recipe.kind,
        recipe=recipe.name, base_model=recipe.train.base_model, words=asking.words,
    )  # fmt: skip
    adapter = yield train.step(recipe.training, recipe.name, snapshot, resolved(recipe))
    base = candidates.Base(recipe.train.base_model, recipe.train.revision)
    further = yield from _tuned(recipe, base, parsed, rationales, adapter)
    last = next((receipt for receipt in further if receipt.step == "tune"), adapter)
    if recipe.grpo:
        further += [(yield grpo.step(recipe.grpo, recipe.training, recipe.name, parsed, last, resolved(recipe)))]
    tuned = [receipt for receipt in further if receipt.step in ("tune", "grpo")]
    adapters = _of_one_lineage(adapter, tuned)
    verdict = yield evaluate.step(recipe.evaluating, base, parsed, *adapters, **_asked(recipe, asking))
    made = [parsed, *([rationales] if rationales else []), snapshot, adapter, *further, verdict]
    yield report.step(recipe.report, resolved(recipe), made)


def _of_one_lineage(adapter: Receipt, tuned: Sequence[Receipt]) -> list[candidates.Candidate]:
    """The adapters to compare, the last that was made first; each that went on from another says so."""
    last = candidates.trained(adapter)
    found = [last]
    for receipt in tuned:
        last = candidates.trained(receipt, parent=last.name)
        found = [last, *found]
    return found


def _tuned(
    recipe: Recipe, base: candidates.Base, parsed: Receipt, rationales: Receipt | None, adapter: Receipt
) -> Events[list[Receipt]]:
    """Replies to training questions, preferences, and what was tuned on them; none without [prefer] and [tune]."""
    if recipe.preferring is None:
        return []
    sampled = None
    if recipe.samples_training_questions:
        asked, loading = candidates.trained(adapter), recipe.evaluating.loading(base)
        engine, wish = recipe.evaluate.engine, recipe.training.wish
        sampled = yield sample.step(recipe.preferring, base, parsed, asked, engine, loading, wish)
    preferences = yield prefer.step(
        recipe.preferring,
        parsed,
        rationales,
        sampled,
        recipe.kind,
        recipe=recipe.name,
        paired=recipe.tune is None or recipe.tune.paired,
    )
    found = [*([sampled] if sampled else []), preferences]
    if recipe.tune is None:
        return found
    tuned = yield tune.step(recipe.tune, recipe.training, recipe.name, preferences, adapter, resolved(recipe))
    return [*found, tuned]


def compare(recipe: Recipe, home: Path, adapters: Sequence[str]) -> Events[None]:
    """A verdict on adapters that are there already, "NAME/N" or "NAME@latest", or on [evaluate] models; the report."""
    recipe = local(recipe, home)
    named = candidates.named(home, adapters)
    base = recipe.base or (candidates.base(home, named) if named else _named(None))
    asking = recipe.prompting
    parsed = yield from _parsed(recipe, home, asking)
    verdict = yield evaluate.step(recipe.evaluating, base, parsed, *named, **_asked(recipe, asking))
    yield report.step(recipe.report, resolved(recipe), [parsed, verdict])


def measure(recipe: Recipe, home: Path) -> Events[None]:
    """What a base can do by itself. UsageError if the recipe names none."""
    recipe = local(recipe, home)
    base, asking = _named(recipe.base), recipe.prompting
    parsed = yield from _parsed(recipe, home, asking)
    measured = yield evaluate.step(recipe.evaluating, base, parsed, **_asked(recipe, asking))
    yield report.step(recipe.report, resolved(recipe), [parsed, measured])


def contest(recipe: Recipe, home: Path, adapters: Sequence[str]) -> Events[tuple[Receipt, list[Receipt]]]:
    """Adapters on the recipe's gate set, each over the base and with the rendering that it was trained with.

    What was parsed of the set, and the evaluations. Each is by itself: the one that a run came to on its test split is
    found done.
    """
    recipe = local(recipe, home)
    asked = yield from _gate_set(recipe, home)
    spec = recipe.evaluating.model_copy(update={"on_mismatch": "warn", "models": []})
    evaluations, asking = [], recipe.prompting
    asking.unleaked(Home(home), asked)
    for one in candidates.named(home, adapters):
        base = candidates.stated(home, one) or recipe.base or candidates.base(home, [one])
        evaluations.append((yield evaluate.step(spec, base, asked, one, **_asked(recipe, asking))))
    return asked, evaluations


def again(recipe: Recipe, home: Path, asked: Recipe, champion: str | None, round: str, seed: int) -> Events[Receipt]:
    """The champion, if there is one, and the base on the test split of `asked`, all replies drawn anew in this round.

    `seed` is added to that of `asked`. UsageError if no base is known.
    """
    recipe, asked = local(recipe, home), local(asked, home)
    named = candidates.named(home, [champion] if champion else [])
    base = _named((candidates.stated(home, named[0]) if named else None) or recipe.base or asked.base)
    spec = asked.evaluating.model_copy(update={"on_mismatch": "warn", "models": [], "seed": asked.evaluate.seed + seed})
    asking = asked.prompting
    parsed = yield from _parsed(asked, home, asking)
    how = _asked(recipe, asking) | {"kind": asked.kind, "round": round}
    return (yield evaluate.step(spec, base, parsed, *named, **how))


def _named(base: candidates.Base | None) -> candidates.Base:
    if base is None:
        raise UsageError(
            "there is no model to measure",
            expected="[evaluate] base_model, or adapters that are there",
            hint="--set evaluate.base_model=ORG/NAME, or `ponens evaluate RECIPE --adapter NAME/N`",
        )
    return base


def _gate_set(recipe: Recipe, home: Path) -> Events[Receipt]:
    if not recipe.gate:
        return (yield from _parsed(recipe, home))
    fetched = home / "fetched"
    spec = parse.whole(recipe.parse, recipe.gate, fetched)
    source, corrected = parse.source(spec, fetched=fetched), recipe.corrected
    return _tried(
        (yield parse.step(spec, source, fetched, recipe.kind, recipe.evaluating, corrected and corrected.anywhere()))
    )


def _asked(recipe: Recipe, asking: Asking) -> dict[str, Any]:
    """How an evaluation asks: rendering, kind of work and words."""
    wish = recipe.training.wish if recipe.train else recipe.prompt.wish
    return {"rendering": wish, "kind": recipe.kind, "words": asking.words}


def _parsed(recipe: Recipe, home: Path, asking: Asking | None = None) -> Events[Receipt]:
    source = yield from _source(recipe, home)
    settings = (recipe.kind, recipe.evaluating, recipe.corrected)
    parsed = _tried((yield parse.step(recipe.parsing, source, home / "fetched", *settings)))
    if asking:
        asking.unleaked(Home(home), parsed)
    return parsed


def _tried(parsed: Receipt) -> Receipt:
    """What was parsed. UsageError where none of its references could be compared with."""
    reference_queries.require(parsed.facts.get("references"))
    return parsed


def _source(recipe: Recipe, home: Path) -> Events[parse.Source]:
    if recipe.puzzles:
        return parse.generated((yield puzzles.step(recipe.puzzles)), home)
    return parse.source(recipe.parse, fetched=home / "fetched")
