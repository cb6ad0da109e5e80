"""The runs of a home as they are looked at: those that ended, those under way, those that were killed or are torn.

listed(files)            every run, newest first
one(files, id)           one run; None where there is none of this id
find(files, reference)   the run that a person names
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from storage.browse.files import Files
from storage.progress import LOG, PROGRESS
from storage.runs import named
from storage.shared_locks import turn

State = Literal["under way", "done", "failed", "killed", "unreadable"]
STATES: tuple[State, ...] = ("under way", "done", "failed", "killed", "unreadable")
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_BEGAN = re.compile(r"\d{8}-\d{6}")  # an id begins with the time, UTC
_NOTHING = {"name": "?", "status": "?", "seconds": None, "key": None}  # what another build may not say of a step
_TAIL = 64_000  # bytes of a log that a page shows


@dataclass(frozen=True, slots=True)
class RunView:
    """One run. What it does not say, or says in another build's way, is None or empty; `problem` then says so.

    `progress` is {"steps", "now", "at"} of `storage.progress`; times are in seconds.
    """

    id: str
    folder: Path
    state: State
    began: datetime | None
    seconds: float | None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    outcome: Mapping[str, Any] = field(default_factory=dict)
    progress: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def name(self) -> str:
        return str(self.outcome.get("recipe") or self.recipe.get("name") or "")

    @property
    def steps(self) -> Sequence[Mapping[str, Any]]:
        found = self.outcome.get("steps") or self.progress.get("steps")
        known = [step for step in found if isinstance(step, dict)] if isinstance(found, list) else []
        return [{**_NOTHING, **step} for step in known]

    @property
    def now(self) -> Mapping[str, Any]:
        """The step that is at work, or was when the run was killed; empty if there is none."""
        found = self.progress.get("now")
        return found if isinstance(found, dict) and "outcome" not in self.outcome else {}

    def part(self, name: str) -> Mapping[str, Any]:
        """A part of the outcome, such as "evaluation"; empty where it was not reached."""
        found = self.outcome.get(name)
        return found if isinstance(found, dict) else {}

    def key(self, step: str) -> str | None:
        """The key of a step that this run reached."""
        keys = [str(s.get("key")) for s in (*self.steps, self.now) if s.get("name") == step]
        return keys[-1] if keys else None


def listed(files: Files) -> list[RunView]:
    """Every run of the home, newest first."""
    return [_read(files, files.home.run(name)) for name in _names(files)]


def one(files: Files, id: str) -> RunView | None:
    """The run of this id."""
    folder = files.home.run(id) if ID.fullmatch(id) else None
    return _read(files, folder) if folder and folder.is_dir() else None


def find(files: Files, reference: str) -> RunView:
    """The run, ended or not, that the beginning of an id or "RECIPE@latest" names. UsageError if it is not just one."""
    there = {run.id: run for run in reversed(listed(files))}
    return there[named(files.home, reference, {id: run.name for id, run in there.items()})]


def before(files: Files, run: RunView) -> RunView | None:
    """The run before this one of the same recipe; only recipes are read on the way to it."""
    for name in (name for name in _names(files) if name < run.id):
        recipe = files.json(files.home.run(name) / "recipe.json")
        if recipe and recipe.get("name") == run.recipe.get("name"):
            earlier = one(files, name)
            if earlier and earlier.name == run.name:
                return earlier
    return None


def log(run: RunView) -> tuple[str, bool]:
    """The end of a run's log, and whether it has a beginning that is left out; empty where there is none."""
    return tail(run.folder / LOG)


def tail(file: Path) -> tuple[str, bool]:
    """The end of a text file from a whole line on, and whether there is more before it."""
    try:
        with file.open("rb") as opened:
            size = opened.seek(0, os.SEEK_END)
            opened.seek(max(0, size - _TAIL))
            text = opened.read(_TAIL).decode("utf-8", "replace")
    except OSError:
        return "", False
    return (text.partition("\n")[2], True) if size > _TAIL else (text, False)


def _names(files: Files) -> list[str]:
    try:
        with os.scandir(files.home.root / "runs") as entries:
            return sorted((e.name for e in entries if ID.fullmatch(e.name) and e.is_dir()), reverse=True)
    except OSError:
        return []


_ENDS: dict[str, State] = {"done": "done", "failed": "failed"}  # outcomes that this build writes


def _read(files: Files, folder: Path) -> RunView:
    recipe, outcome = (files.json(folder / name) for name in ("recipe.json", "outcome.json"))
    progress = files.json(folder / PROGRESS) or {}
    began, problems = _began(folder), []
    if recipe is None:
        problems.append(_why(folder / "recipe.json", "its recipe"))
    if outcome is not None:
        state: State = _ENDS.get(str(outcome.get("outcome")), "unreadable")
        if state == "unreadable":
            problems.append(f"its outcome {str(outcome.get('outcome'))[:40]!r} is none that this build knows")
        seconds = _lasted(began, outcome.get("ended_at")) or _worked(outcome)
    elif (folder / "outcome.json").exists():
        state, seconds = "unreadable", None
        problems.append(_why(folder / "outcome.json", "its outcome"))
    else:
        state = "under way" if _held(folder / "recipe.json") else "killed"
        now = datetime.now(UTC)
        seconds = (
            (now - began).total_seconds() if began and state == "under way" else _lasted(began, progress.get("at"))
        )
    return RunView(
        folder.name, folder, state, began, seconds, recipe or {}, outcome or {}, progress, "; ".join(problems)
    )


def _held(file: Path) -> bool:
    """Whether a process is at work on the run whose recipe this is."""
    try:
        if not file.exists():
            return False
        with turn(file, shared=True, wait_s=0):
            return False
    except TimeoutError:
        return True
    except OSError:  # a file system that is read-only: nobody works there
        return False


def _why(file: Path, what: str) -> str:
    return f"{what} cannot be read: {file.name} is {'torn, or of another build' if file.exists() else 'not there'}"


def _began(folder: Path) -> datetime | None:
    if found := _BEGAN.match(folder.name):
        try:
            return datetime.strptime(found[0], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            pass
    return None


def _lasted(began: datetime | None, until: object) -> float | None:
    """Seconds until an ISO time; None where one of the two is not known."""
    try:
        return max(0.0, (datetime.fromisoformat(str(until)) - began).total_seconds()) if began and until else None
    except (ValueError, TypeError):
        return None


def _worked(outcome: Mapping[str, Any]) -> float | None:
    """The seconds of a run's steps, for one that does not say when it ended."""
    steps = outcome.get("steps")
    told = [step.get("seconds") for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
    return sum(s for s in told if isinstance(s, int | float)) if told else None
