"""The trials of a sweep: every combination of some settings as a recipe, and what of their work is shared.

made = trials(Path("logic.toml"), [], ["train.rank=8,16", "train.learning_rate=1e-4,2e-4"])     four
shared(made, home)      how often each step is done for all of them, and how much of that is there already
groups(made)            trials whose adapters can share one evaluation
"""

from __future__ import annotations

import itertools
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.chain import Walk, chain, compare
from flows.recipe import Recipe, load, resolved
from storage.home import Home
from storage.records import UsageError, digest
from tasks.runtime.forecast import Forecast, forecast, stand_in


@dataclass(frozen=True, slots=True)
class Trial:
    """One combination: the values of the settings that vary, and the recipe that they make."""

    settings: Mapping[str, Any]
    recipe: Recipe

    @property
    def name(self) -> str:
        """Its settings in short, such as "rank=8 learning_rate=0.0001"."""
        return " ".join(f"{key.rpartition('.')[2]}={shown(value)}" for key, value in self.settings.items())


def trials(path: Path, changes: Sequence[str], over: Sequence[str]) -> list[Trial]:
    """All combinations of the values in `over`, "KEY=V1,V2,…", the last key varying first.

    Each is read and checked as the recipe with these changes is: UsageError for an unknown key, a value of another
    type, no value, values or keys that are given twice, and a recipe that trains nothing.
    """
    varied = dict(_values(one) for one in over)
    if len(varied) < len(over) or not varied:
        raise UsageError(
            "--over", seen=", ".join(over) or "nothing", expected="each key once, such as --over train.rank=8,16,32"
        )
    found = []
    for values in itertools.product(*varied.values()):
        settings = dict(zip(varied, values, strict=True))
        said = [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()]
        recipe = load(path, [*changes, *said])
        recipe.require("train")
        found.append(Trial(settings, recipe))
    if len({resolved(trial.recipe) for trial in found}) < len(found):
        raise UsageError("--over", seen=", ".join(over), expected="values that make different recipes")
    return found


def identity(made: Sequence[Trial]) -> str:
    """The name of a sweep: its recipe's, and eight hex digits of all its settings."""
    return f"{made[0].recipe.name}-{digest([resolved(trial.recipe) for trial in made])[:8]}"


def groups(made: Sequence[Trial]) -> list[list[int]]:
    """Positions of trials that ask one base the same questions in the same way: one load of an engine serves them."""
    found: dict[str, list[int]] = {}
    for place, trial in enumerate(made):
        recipe = trial.recipe
        asked = recipe.model_dump(mode="json", include={"kind", "puzzles", "evaluate"})
        asked["parse"] = recipe.parsing.model_dump(mode="json")
        model = [recipe.training.base_model, recipe.training.revision, str(recipe.training.wish)]
        found.setdefault(digest([asked, model]), []).append(place)
    return list(found.values())


def shared(made: Sequence[Trial], home: Home) -> list[dict[str, Any]]:
    """For each step of a sweep, of how many trials it is the work, how often it is done, and how often that is cached.

    Reads receipts and artifacts; changes nothing. UsageError where the recipe's source is not there.
    """
    seen: dict[str, Forecast] = {}
    ahead = [_ahead(trial.recipe, home, seen) for trial in made]
    told = []
    steps = made[0].recipe.steps
    for name in steps[: steps.index("train") + 1]:
        works = {found[name][0]: found[name][1].status for found in ahead if name in found}
        cached = sum(status == "cached" for status in works.values())
        told.append({"step": name, "trials": len(made), "times": len(works), "cached": cached})
    joint = groups(made)
    cached = sum(_evaluated([made[i].recipe for i in places], [ahead[i] for i in places], home) for places in joint)
    return [*told, {"step": "evaluate", "trials": len(made), "times": len(joint), "cached": cached}]


def shown(value: object) -> str:
    """A setting's value in a table."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _values(one: str) -> tuple[str, list[Any]]:
    key, _, text = one.partition("=")
    try:
        values = tomllib.loads(f"values = [{text}]")["values"]
    except tomllib.TOMLDecodeError:
        values = [word.strip() for word in text.split(",")]  # bare words are strings
    if not key.strip() or not text.strip() or "" in values or len({repr(value) for value in values}) < len(values):
        raise UsageError(
            "--over", seen=one, expected="KEY=VALUE,VALUE,… with each value once, such as train.rank=8,16,32"
        )
    return key.strip(), values


def _ahead(recipe: Recipe, home: Home, seen: dict[str, Forecast]) -> dict[str, tuple[str, Forecast]]:
    """Each step's forecast, and what tells its work from other work: its key or, where it is open, what leads to it.

    `seen` spares looking twice at what a key has left: an artifact is read byte for byte.
    """
    found: dict[str, tuple[str, Forecast]] = {}
    walk = Walk(chain(recipe, home.root))
    for step in walk:
        told = seen.get(step.key or "") or forecast(step, home)
        if step.key:
            seen[step.key] = told
        leads = [name for name, earlier in found.values() if earlier.receipt is None]
        found[step.name] = (step.key or digest([step.name, step.ingredients, leads]), told)
        walk.done(stand_in(told))
    return found


def _evaluated(recipes: Sequence[Recipe], ahead: Sequence[Mapping[str, tuple[str, Forecast]]], home: Home) -> bool:
    """Whether the joint evaluation of trials is there."""
    trained = [found["train"][1] for found in ahead]
    if any(told.status != "cached" for told in trained):
        return False
    adapters = dict.fromkeys(told.receipt.artifact.removeprefix("adapters/") for told in trained if told.receipt)
    walk = Walk(compare(recipes[0], home.root, list(adapters)))
    for step in walk:
        ahead_of = forecast(step, home)
        if step.name == "evaluate":
            return ahead_of.status == "cached"
        walk.done(stand_in(ahead_of))
    raise AssertionError("a comparison has a step evaluate")
