"""reeval: evaluations of one set at two times -> did its champion fall by more than chance does?

    reference(home, recipe, set)       what a set is held against, or None
    against(home, reference, now)      both tests of one set: right answers, and answers that can be read
    corrected(tests)                   the words of all tests of a round, in view of their number
    about(receipt, …), changed(a, b)   what a measure was taken with, and in what two differ

The reference must not creep: the measure before would let an accuracy sink point by point, and the best so far is the
luckiest of many. It is the first measure of the champion that a gate let through last; until there is one, the gate's
own on the test split. Where a champion came by force or a rollback, that of its predecessor stays, so that a worse one
is told of. A measure that raised an alarm is no reference, unless a person accepts it.
See docs/decisions/0014-reeval.md.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from evals.verdict import across, verdict
from storage import reevaluations
from storage.adapters import champions
from storage.adapters.aliases import Move
from storage.artifacts import read_manifest
from storage.home import Home
from storage.records import PonensError, Receipt
from storage.reevaluations import Round
from tasks.clients.secrets import keyless
from tasks.kinds.paired_evaluations import Row, answers

OWN = "test"  # the name of the recipe's own set
ACCURACY, UNREADABLE = "accuracy", "unreadable"
_RECEIPT = ("step", "key", "digest", "facts", "ingredients", "seconds", "made_at")
_LIBRARIES = ("torch", "peft")
Tests = dict[str, dict[str, Any]]


class ReevalSpec(BaseModel):
    """The champion measured again and again: when, on what, and who is told if it falls."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cron: str | None = Field(
        None,
        pattern=r"^\s*\S+(\s+\S+){4}\s*$",
        description='When, as five fields of cron, such as "0 3 * * *"; `ponens deploy` sets the schedule up.',
    )
    timezone: str = Field("UTC", description="The time zone of cron, such as Asia/Shanghai.")
    sets: list[str] = Field(
        [],
        description="Recipes whose test split is measured beside this one's, such as eval/folio.toml, relative to it.",
    )
    webhook: str | None = Field(
        None,
        pattern="^https?://",
        description="Where an alarm is posted as JSON; by default where a new champion is. A secret address goes to "
        "PONENS_WEBHOOK.",
    )

    _keyless = field_validator("webhook")(keyless)

    @field_validator("timezone")
    @classmethod
    def _known(cls, timezone: str) -> str:
        try:
            ZoneInfo(timezone)
        except (OSError, ValueError):  # no such zone, or no name of one
            raise ValueError(f"{timezone!r}: expected a time zone such as UTC or Asia/Shanghai") from None
        return timezone


@dataclass(frozen=True, slots=True)
class Reference:
    """What later measures of a set are held against: its name for people, its evaluation, what it was taken with."""

    name: str
    champion: str | None
    evaluation: Receipt
    about: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    champion: str | None
    place: str
    about: Mapping[str, Any] | None  # None of what the gate saw


def reference(home: Home, recipe: str, name: str) -> Reference | None:
    """The measure to hold the set `name` against, by the rule above; None if there is none whose replies are there."""
    moves = list(enumerate(champions.moves(home, recipe), 1)) if name == OWN else []
    events: list[tuple[tuple[int, str], Move | Round]] = [
        ((number, ""), move) for number, move in moves if (move.evidence or {}).get("gate") == OWN
    ]
    events += [((round.moves, round.at), round) for round in reevaluations.history(home, recipe)]
    found: _Found | None = None
    for _, event in sorted(events, key=lambda event: event[0]):
        found = _after(event, name, found) if isinstance(event, Round) else _promotion(recipe, event)
    evaluation = evaluated(home, found.place) if found else None
    if found is None or evaluation is None:
        return None
    return Reference(found.name, found.champion, evaluation, found.about or about(evaluation, found.champion))


def _promotion(recipe: str, move: Move) -> _Found:
    """What a gate saw of the champion that it let through."""
    champion = f"{recipe}/{move.after}"
    return _Found(f"the promotion of {champion}", champion, (move.evidence or {})["evaluations"][champion], None)


def _after(round: Round, name: str, found: _Found | None) -> _Found | None:
    """The reference after a round: its measure of the set, or the one before."""
    one = next((one for one in round.measures if one.set == name), None)
    if one is None:
        return found
    promoted = found is not None and round.how == "gate" and (round.champion != found.champion or found.about is None)
    first = found is None or (found.champion is None and round.champion is not None)
    if round.accepted or (not one.alarm and (first or promoted)):
        return _Found(f"{round.name}, {round.champion or 'the base'}", round.champion, one.evaluation, one.about)
    return found


def evaluated(home: Home, place: str) -> Receipt | None:
    """The receipt of an evaluation, from its own manifest; None if it is gone."""
    try:
        manifest = read_manifest(home.root / place)
        return Receipt(artifact=place, **{name: manifest[name] for name in _RECEIPT})
    except (PonensError, KeyError):
        return None


def against(home: Home, before: Receipt, now: Receipt, *, base: bool = False) -> Tests | None:
    """`paired` of both tests, of the adapters or of their bases; None where the two have no question in common."""
    try:
        was, found = answers(home, before, now, base=base)
    except PonensError:
        return None
    if not was:
        return None
    names = ("then", "now")
    return {
        ACCURACY: _told(verdict(was, found, names).paired(), len(was)),
        UNREADABLE: _told(verdict(_read(was), _read(found), names).paired(), len(was)),
    }


def corrected(tests: Sequence[Tests | None]) -> list[Tests | None]:
    """The same with words and p in view of all tests of a round (Holm); every word has its reason."""
    flat = [(place, kind) for place, of in enumerate(tests) if of for kind in of]
    words = iter(across([(tests[place] or {})[kind] for place, kind in flat]))
    found: list[Tests | None] = [None if of is None else dict(of) for of in tests]
    for place, kind in flat:
        (found[place] or {})[kind] = one = next(words)
        if kind == UNREADABLE:
            lost, n, p = one["broken"], one["questions"], one["adjusted_p"]
            one["reason"] = f"{lost} of {n} questions lost their answer and {one['fixed']} got one (p = {p:.2g})."
    return found


def about(evaluation: Receipt, champion: str | None, *, drawn_now: bool = False) -> dict[str, Any]:
    """What shapes a measure: who answered, which questions and prompt, with which engine, libraries and code.

    The libraries of an evaluation that was drawn at another time are not known.
    """
    facts, inputs = evaluation.facts, evaluation.ingredients.get("inputs", {})
    engine = (facts.get("work") or {}).get("engine") or {}
    found = {
        "champion": champion,
        "base_model": str(inputs.get("base_model"))[:12],
        "questions": str(inputs.get("questions"))[:12],
        "prompt": facts.get("prompt"),
        "votes": facts.get("votes"),
        **{name: engine.get(name) for name in ("engine", "version", "device", "dtype", "applied")},
        "code": evaluation.ingredients.get("code"),
    }
    found["engine"] = facts.get("engine")
    for library in _LIBRARIES if drawn_now and "version" in engine else ():
        with suppress(importlib.metadata.PackageNotFoundError):
            found[library] = importlib.metadata.version(library)
    return found


def changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In what two measures differ, such as "champion logic/1 → logic/2"; what is not known of one is no difference."""
    return [
        f"{name} {before[name]} → {value}"
        for name, value in now.items()
        if value is not None and before.get(name) is not None and before[name] != value
    ]


def _read(rows: Sequence[Row]) -> list[Row]:
    """The same questions, right where there is an answer at all."""
    return [{**row, "gold": "read", "answer": None if row["answer"] is None else "read"} for row in rows]


def _told(paired: Mapping[str, Any], questions: int) -> dict[str, Any]:
    return {name: value for name, value in paired.items() if not name.endswith("_ids")} | {"questions": questions}
