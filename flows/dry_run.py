"""What would go wrong in a run, found before anything is asked, loaded or paid for.

    outlooks(Dry(recipe, home, parsed, forecasts))     a line a thing, in the order of the steps
    refuse(Dry(recipe, home, parsed, {}), steps)       raises the first that is sure

Each check is one function in `CHECKS`; it looks at files, settings and what is parsed, and sends nothing. What raises a
PonensError in a check would end the run with it. A check that cannot look says so and ends nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from flows.recipe import Recipe
from storage.home import Home
from storage.housekeeping.checkup import Finding
from storage.ledger import Ledger
from storage.records import PonensError, Receipt, UsageError
from storage.tables.questions import Stored
from tasks.engines.open import choose, renders
from tasks.evaluate.step import outlook
from tasks.models import base_models
from tasks.runtime.forecast import Forecast
from tasks.runtime.step import Secret

_REFERENCES = 200  # that are scored before a run; the rest are scored with the replies
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Outlook:
    """One thing that was looked at for a step: what was seen, and the error that the step would end with, if any.

    `sure` is False of an error that is an estimate; a run is not refused for it. `hint` is what could be better.
    """

    name: str
    step: str
    seen: str
    error: PonensError | None = None
    sure: bool = True
    hint: str = ""

    def finding(self) -> Finding:
        """It as a line of `ponens doctor`."""
        error = self.error
        if error is None:
            return Finding(self.name, True, self.seen, self.hint)
        seen = f" ({error.seen})" if error.seen is not None else ""
        wanted = f"; expected {error.expected}" if error.expected else ""
        return Finding(
            self.name,
            False,
            f"{self.step} {'would' if self.sure else 'may'} fail: {error.thing}{seen}{wanted}",
            error.hint,
        )


@dataclass(frozen=True)
class Dry:
    """What checks look at. `parsed` is None while the source is not parsed, `forecasts` what a plan said by step."""

    recipe: Recipe
    home: Home
    parsed: Receipt | None
    forecasts: dict[str, Forecast]
    secret: Secret = os.environ.get

    @cached_property
    def splits(self) -> dict[str, int]:
        return dict(self.parsed.facts["splits"]) if self.parsed else {}


Check = Callable[[Dry], Iterator[Outlook]]


def outlooks(dry: Dry) -> list[Outlook]:
    """What every check saw, but for steps that are done: those cannot fail."""
    done = {name for name, told in dry.forecasts.items() if told.status == "cached" and name != "parse"}
    steps = [step for step in dry.recipe.steps if step not in done]
    return [seen for name, step, check in CHECKS if step in steps for seen in _looked(name, step, check, dry)]


def refuse(dry: Dry, steps: Collection[str]) -> None:
    """Raise the first error that one of these steps is sure to end with."""
    for name, step, check in CHECKS:
        if step in steps and check not in (_price, _memory):
            for seen in _looked(name, step, check, dry):
                if seen.error and seen.sure:
                    raise seen.error


def _looked(name: str, step: str, check: Check, dry: Dry) -> list[Outlook]:
    found: list[Outlook] = []
    try:
        for seen in check(dry):
            found.append(replace(seen, name=name, step=step))
    except PonensError as error:
        found.append(Outlook(name, step, "", error))
    except Exception as error:  # a check is no reason to end a run that would have worked
        found.append(Outlook(name, step, f"could not be looked at: {type(error).__name__}: {error}"))
    return found


def _said(text: str, *, hint: str = "") -> Outlook:
    return Outlook("", "", text, hint=hint)


def _data(dry: Dry) -> Iterator[Outlook]:
    if dry.parsed is None:
        yield _said("not parsed yet", hint="`ponens doctor --recipe RECIPE` parses and looks further")
        return
    facts, splits = dry.parsed.facts, dry.splits
    what = dry.recipe.work.records
    dropped = sum(facts.get("dropped", {}).values())
    lost = f", {facts.get('rejected', 0):,} rows rejected, {dropped:,} dropped"
    yield _said(f"{sum(splits.values()):,} {what}: {_shares(splits)}{lost}")
    if dry.recipe.train and not splits.get("train"):
        raise UsageError(
            "there is nothing to train on",
            seen=f"{_shares(splits)} {what}",
            expected="at least one on the side of training",
            hint="smaller [parse] valid and test, or another [parse] salt",
        )


def _shares(splits: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in splits.items())


def _teacher(dry: Dry) -> Iterator[Outlook]:
    from tasks.clients.secrets import key_of
    from tasks.teachers.build import model_name

    spec = dry.recipe.reason
    name = model_name(spec)
    if spec.max_cost is not None and spec.price is None:
        raise UsageError(
            "max_cost needs the model's price",
            seen=f"no price for {spec.model!r}",
            expected=f'[reason.prices."{spec.model}"] with `in` and `out` for a million tokens each, or price_file',
            hint="add the price or leave max_cost away",
        )
    if variable := spec.provider.key:
        try:
            key_of(variable, f'teacher = "{spec.teacher}"', dry.secret)
        except UsageError as error:  # a run may be given it elsewhere; without it nothing is sent
            yield Outlook("", "", "", error, sure=False)
            return
    yield _said(f"{spec.teacher}, {name}")


def _asked(dry: Dry) -> Iterator[Outlook]:
    """Questions that reason can ask."""
    from tasks.reason.step import wanted

    if dry.parsed is not None and next(wanted(Stored(dry.home, dry.parsed)), None) is None:
        yield from _price(dry)  # which has nothing to count, and says so


def _price(dry: Dry) -> Iterator[Outlook]:
    if dry.parsed is None:
        return
    from tasks.reason.step import estimate

    with Ledger(dry.home) as ledger:
        facts = estimate(dry.recipe.reason.worded(dry.recipe.prompting.words), Stored(dry.home, dry.parsed), ledger)
    most = facts["at_most"]
    cost = "price unknown" if most["cost"] is None else f"cost {facts['cost'] or 0:.4f} to {most['cost']:.4f}"
    limit = dry.recipe.reason.max_cost
    hint = ""
    if limit is not None and most["cost"] is not None and most["cost"] > limit:
        hint = f"max_cost = {limit} may be reached: the run then stops, resumably"
    yield _said(f"{facts['asked']:,} to {most['asked']:,} requests, {facts['from_ledger']:,} known; {cost}", hint=hint)


def _base(dry: Dry) -> Iterator[Outlook]:
    base = dry.recipe.base
    if base is None:
        return
    if base_models.folder(base.base_model) is not None:
        yield _said(f"{base.base_model} is here")
        return
    try:
        base_models.snapshot(base.base_model, base.revision)
        yield _said(f"{base.base_model} is on this machine")
    except UsageError as error:
        offline = os.environ.get("HF_HUB_OFFLINE", "0") not in ("0", "")
        yield Outlook("", "", "", error, sure=offline)


def _training(dry: Dry) -> Iterator[Outlook]:
    """What the step refuses by its settings and its base's files."""
    from tasks.train import checks, tracking
    from tasks.train import step as train

    spec = dry.recipe.training
    wrong = checks.problems(spec)
    yield from (Outlook("", "", "", error) for error in wrong)
    if wrong:
        return
    train.step(spec, dry.recipe.name, Receipt("assemble", "", "", "", {}, {}, 0.0, ""))
    tracking.check(spec.report_to)
    yield _said(f"{spec.method}, template {spec.template}, {spec.epochs:g} epochs")


def _memory(dry: Dry) -> Iterator[Outlook]:
    told = dry.forecasts.get("assemble")
    if told is None or told.status != "cached" or told.receipt is None:
        yield _said("known once the snapshot is built: `ponens train RECIPE --estimate`")
        return
    from tasks.train.step import estimate

    facts: dict[str, Any] = estimate(dry.recipe.training, dry.home, told.receipt)
    needed, room = facts["memory"]["total"] / 2**30, facts["room"]
    said = f"{needed:.1f} GiB on {facts['device']}" + (f" of {room / 2**30:.0f}" if room else "")
    if facts["fits"] is False:
        error = PonensError(
            f"the estimate does not fit on {facts['device']}",
            seen=f"{needed:.1f} GiB",
            expected=f"at most {room / 2**30:.1f} GiB",
            hint="a smaller batch_size or max_length, gradient_checkpointing, or method = qlora",
        )
        yield Outlook("", "", said, error, sure=False)
    else:
        yield _said(f"{said}, {facts['steps']:,} steps")


def _tested(dry: Dry) -> Iterator[Outlook]:
    """Test questions, and references that a scorer can compare with."""
    if dry.parsed is None:
        return
    recipe, spec = dry.recipe, dry.recipe.evaluating
    if recipe.work.letters:
        from tasks.evaluate.elections import chosen as questions

        yield _said(f"{len(questions(list(Stored(dry.home, dry.parsed)), spec.limit)):,} test questions with a key")
        return
    from storage.tables.dialogue_files import Dialogues
    from tasks.evaluate.scoring import chosen, of_references

    asked = chosen(list(Dialogues(dry.home, dry.parsed)), spec.limit)
    if recipe.work.compared:
        yield _said(f"{len(asked):,} test dialogues; compared by {'a judge' if spec.judge else 'the references loss'}")
        return
    scores = of_references(asked[:_REFERENCES], recipe.kind, spec, spec.lean, spec.function)
    lost = [score for score in scores if not score.right]
    reasons = "; ".join(list(dict.fromkeys(score.reason for score in lost))[:_NAMED])
    if not any(score.right if spec.scorer else score.counts for score in scores):
        raise PonensError(
            f"none of {len(scores)} references of the test split could be scored",
            seen=reasons,
            expected="references that can be compared with",
            hint="see the references of the test split, or take another file",
        )
    said = f"{len(scores) - len(lost):,} of {len(scores):,} references are right by their own scorer"
    yield _said(said, hint=f"{len(lost)} are not: {reasons}" if lost else "")


def _gate(dry: Dry) -> Iterator[Outlook]:
    """A gate set of its own, which a run asks last."""
    if dry.recipe.gate:
        from flows import gate

        asked, lost = gate.look(dry.recipe, dry.home)
        hint = f"{lost:,} rows judge nothing: rejected, or without a key" if lost else ""
        yield _said(f"{asked:,} questions", hint=hint)


def _engine(dry: Dry) -> Iterator[Outlook]:
    engine = choose(dry.recipe.evaluate.engine)
    yield _said(f"{engine}{f', {dry.recipe.evaluate.server.address}' if renders(engine) else ''}")


def _models(dry: Dry) -> Iterator[Outlook]:
    """Models beside the base: keys, weights and prices, before the first is paid."""
    of = dry.recipe
    for seen, error in outlook(of.evaluating, of.kind, dry.parsed, dry.home, dry.secret, of.prompting.words):
        yield Outlook("", "", seen, error, sure=False)


# what is looked at, for which step; a check of another part of the house is one more line here
CHECKS: tuple[tuple[str, str, Check], ...] = (
    ("data", "parse", _data),
    ("teacher", "reason", _teacher),
    ("questions", "reason", _asked),
    ("price", "reason", _price),
    ("base model", "train", _base),
    ("base model", "evaluate", lambda dry: _base(dry) if dry.recipe.train is None else iter(())),
    ("training", "train", _training),
    ("memory", "train", _memory),
    ("test split", "evaluate", _tested),
    ("gate set", "promote", _gate),
    ("engine", "evaluate", _engine),
    ("models", "evaluate", _models),
)
