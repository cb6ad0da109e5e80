"""The runs of a home: found by name, with the recipe they were started with and what they left behind.

find(home, "20261122-07")   find(home, "logic@latest")     an id's beginning, or a recipe's newest
under_way(home)                                            those that a process is at work on
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from storage.home import Home
from storage.records import Receipt, UsageError
from storage.shared_locks import turn

_FLOW_RUN = "flow_run"  # file with the id of Prefect's flow run
_LISTED = 8  # runs that an error names
_LATEST = re.compile(r"(?P<recipe>.+)@latest")


@dataclass(frozen=True, slots=True)
class Run:
    """One run: its resolved recipe, and its outcome as `ponens run --json` printed it."""

    id: str
    home: Home
    recipe: Mapping[str, Any]
    outcome: Mapping[str, Any]

    def receipt(self, step: str) -> Receipt | None:
        """The receipt of a step that this run reached; None if it did not, or the receipt is gone."""
        keys = [done["key"] for done in self.outcome.get("steps", []) if done["name"] == step]
        try:
            return Receipt(**orjson.loads(self.home.receipt(step, keys[-1]).read_bytes())) if keys else None
        except (OSError, orjson.JSONDecodeError, TypeError):
            return None


def runs(home: Home) -> list[Run]:
    """The runs that came to an end, well or not, oldest first."""
    return [run for folder in _folders(home) if (run := _read(home, folder))]


def find(home: Home, reference: str) -> Run:
    """The run that the beginning of an id, or "RECIPE@latest", names. UsageError if there is none, or several."""
    there = {run.id: run for run in runs(home)}
    return there[named(home, reference, {id: str(run.outcome.get("recipe")) for id, run in there.items()})]


def named(home: Home, reference: str, recipes: Mapping[str, str]) -> str:
    """Of run ids with their recipes, oldest first, the one that `reference` names. UsageError as `find` has it."""
    if latest := _LATEST.fullmatch(reference):
        found = [id for id, recipe in recipes.items() if recipe == latest["recipe"]][-1:]
    else:
        found = [id for id in recipes if reference and id.startswith(reference)]
    if len(found) == 1:
        return found[0]
    listed = [*(found or recipes)][-_LISTED:]
    raise UsageError(
        f"{len(found)} runs of {home.root} have this name" if found else f"no run of {home.root} has this name",
        seen=repr(reference),
        expected=f"the beginning of one of {', '.join(listed)}" if listed else "a run that came to an end",
        hint="" if listed else "ponens run RECIPE",
    )


def remove(home: Home, id: str) -> None:
    """Remove a run's folder and its row for good. UsageError if a process is at work on it."""
    from storage import warehouse  # brings DuckDB along: not for --help

    folder = home.run(id)
    if id in under_way(home):
        raise UsageError(f"run {id} is under way", expected="a run that came to an end", hint="end it first: Ctrl-C")
    away = home.root / f"trash-run-{id}"
    folder.rename(away)  # at once: a kill leaves it whole, or to the next gc
    shutil.rmtree(away)
    if home.warehouse.exists():
        warehouse.forget_run(home, id)


@contextmanager
def going(home: Home, id: str, recipe: str) -> Iterator[Path]:
    """The new folder of a run, which counts as under way for the block; `recipe` is kept in it, resolved."""
    file = home.run(id) / "recipe.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(recipe, "utf-8")
    with turn(file, shared=False, wait_s=60):  # whoever looks whether it is under way holds it for an instant
        yield file.parent


def known_as(folder: Path, flow_run: str) -> None:
    """Note in a run's folder what Prefect calls it."""
    (folder / _FLOW_RUN).write_text(flow_run, "utf-8")


def flow_run(home: Home, id: str) -> str | None:
    """What Prefect calls a run; None where nobody noted it."""
    try:
        return (home.run(id) / _FLOW_RUN).read_text("utf-8") or None
    except OSError:
        return None


def killed(home: Home) -> list[str]:
    """The ids of runs that neither came to an end nor have a process that is at work on them."""
    begun = [f.name for f in _folders(home) if (f / "recipe.json").exists() and not (f / "outcome.json").exists()]
    busy = under_way(home)
    return [id for id in begun if id not in busy]


def under_way(home: Home) -> frozenset[str]:
    """The ids of the runs that a process is at work on now; a killed run is none."""
    found = set()
    for folder in _folders(home):
        if (folder / "recipe.json").exists() and not (folder / "outcome.json").exists():
            try:
                with turn(folder / "recipe.json", shared=True, wait_s=0):
                    pass
            except TimeoutError:
                found.add(folder.name)
    return frozenset(found)


def _folders(home: Home) -> list[Path]:
    folder = home.root / "runs"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _read(home: Home, folder: Path) -> Run | None:
    try:
        recipe, outcome = (orjson.loads((folder / name).read_bytes()) for name in ("recipe.json", "outcome.json"))
    except (OSError, orjson.JSONDecodeError):  # under way, or killed
        return None
    return Run(folder.name, home, recipe, outcome)
