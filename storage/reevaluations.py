"""What re-evaluations found, round by round: a line each in the home, and the warehouse's table `measures`.

append(home, Round(…))     on disk when this returns
history(home, "logic")     the rounds of a recipe, oldest first
register(home, "logic")    its rows of the table, all of them again: the warehouse can be deleted

A reader sees a round whole or not at all, and rounds of several processes side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from storage.home import Home
from storage.journal import Journal, rows
from storage.warehouse import PATIENCE_S, connect


@dataclass(frozen=True, slots=True)
class Measure:
    """One set in one round: where its evaluation lies, the figures of "base" and "champion", what it was measured with.

    `against` is the reference, or None: its name, figures, and in what the two measures differ. `tests` has then,
    under "accuracy" and "unreadable", what `evals.verdict` said; `alarm` names those of them that are an alarm.
    """

    set: str
    evaluation: str
    questions: int
    votes: int
    sides: Mapping[str, Mapping[str, Any]]
    about: Mapping[str, Any]
    against: Mapping[str, Any] | None = None
    tests: Mapping[str, Mapping[str, Any]] | None = None
    alarm: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Round:
    """One re-evaluation of a recipe, begun `at` this time. `how` its champion came to be that; None without one.

    `moves` is how often the champion's alias had been moved until then. `accepted` is a person's reason to hold later
    rounds against this one; empty otherwise.
    """

    recipe: str
    name: str
    at: str
    champion: str | None
    how: str | None
    moves: int
    accepted: str
    measures: Sequence[Measure]

    @property
    def alarms(self) -> list[Measure]:
        return [one for one in self.measures if one.alarm]


def append(home: Home, round: Round) -> None:
    """Note a round; a round of this name with the same champion takes the place of an earlier one."""
    with Journal(folder(home, round.recipe)) as journal:
        journal.append(asdict(round))


def history(home: Home, recipe: str) -> list[Round]:
    """The rounds of a recipe, oldest first."""
    found: dict[tuple[str, str | None], Round] = {}
    for row in rows(folder(home, recipe)):
        round = Round(**{**row, "measures": [Measure(**one) for one in row["measures"]]})
        found[round.name, round.champion] = round
    return sorted(found.values(), key=lambda round: round.at)


def folder(home: Home, recipe: str) -> Path:
    """Where a recipe's rounds lie, and the page of their trend."""
    return home.root / "measures" / recipe


def register(home: Home, recipe: str) -> None:
    """Put all rounds of a recipe into the warehouse in place of what it has of them."""
    told = [row for round in history(home, recipe) for row in _rows(round)]
    with connect(home, wait_s=PATIENCE_S) as con:
        con.execute("delete from measures where recipe = ?", [recipe]).fetchall()
        if told:
            con.register("told", pl.DataFrame(told, infer_schema_length=None).to_arrow())
            con.execute("insert into measures by name select * from told").fetchall()


def _rows(round: Round) -> Iterator[dict[str, Any]]:
    for one in round.measures:
        for name, side in one.sides.items():
            tests = (one.tests or {}) if name == "champion" else {}
            accuracy = tests.get("accuracy", {})
            yield {
                "artifact": one.evaluation,
                "recipe": round.recipe,
                "round": round.name,
                "measured_at": round.at,
                "test_set": one.set,
                "side": name,
                "subject": round.champion if name == "champion" else one.about.get("base_model"),
                "questions": one.questions,
                "votes": one.votes,
                "accuracy": side["accuracy"],
                "low": side["ci95"][0],
                "high": side["ci95"][1],
                "unreadable": side["unreadable"],
                "engine": one.about.get("engine"),
                "version": one.about.get("version"),
                "device": one.about.get("device"),
                "against": one.against["name"] if one.against and tests else None,
                "difference": accuracy.get("difference"),
                "p": accuracy.get("adjusted_p"),
                "accuracy_verdict": accuracy.get("verdict"),
                "unreadable_verdict": tests.get("unreadable", {}).get("verdict"),
                "alarm": bool(one.alarm) if name == "champion" else None,
            }
