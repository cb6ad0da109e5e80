"""Re-evaluation: the champion and the base are measured again, held against a reference, and a fall is told.

prefect deployment run reeval/reeval
ponens reeval recipes/logic.toml

A round draws every reply anew. What has fallen is drawn a second time, with other seeds, and is an alarm only if it
has fallen there as well: a nightly look would else find chance often enough.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from prefect import flow, runtime
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Failed

from evals.report import trend
from evals.report.text import percent
from flows import gate
from flows.chain import Events, again
from flows.crash_watch import ALARMED
from flows.notify import ALARM, identity, tell
from flows.recipe import Recipe, load
from flows.run import Run, secret
from storage import reevaluations
from storage.adapters import champions
from storage.home import Home
from storage.records import Receipt, UsageError
from storage.reevaluations import Measure, Round
from tasks.adapters.reeval import OWN, ReevalSpec, Reference, Tests, about, against, changed, corrected, reference
from tasks.runtime.step import log

Found = dict[str, Any]
PAGE = "trend.html"


class _Measuring(Run):
    """A run that is not its recipe's newest: `RECIPE@latest` means one that came to an adapter."""

    def summary(self) -> Found:
        return super().summary() | {"recipe": f"{self.recipe.name} again"}


@flow(name="reeval", flow_run_name="{recipe.name}: measured again", persist_result=False)
def reeval(
    recipe: Recipe, home: Path | None = None, round: str | None = None, accept: str = "", set: list[str] = []
) -> Found | State[Found]:
    """Measure the champion and the base again on the recipe's sets; ends in the state Alarm if the champion fell.

    Args:
        recipe: What is measured, and how: its test split, and the sets of [reeval].
        home: The home; PONENS_HOME by default.
        round: A name for this measure; what was drawn under it is not drawn again. By default the time for which a
            deployment's run was scheduled, else the day.
        accept: Why the champion is right as it is now: from here on later rounds are held against this one.
        set: Changes of the recipe, such as evaluate.votes=5.

    """
    recipe = recipe.with_changes(set)
    place = Home(home.resolve()) if home else Home.beside()
    spec = recipe.reeval or ReevalSpec()
    run = _Measuring(recipe, place)
    summary = run.go(partial(reevaluate, name=round or _round(spec), accept=accept.strip()))
    measured: Round = run.result
    facts = _told(place, recipe, measured)
    summary |= {"recipe": recipe.name, **_summary(measured), "alarms": facts["alarms"]}
    summary["page"] = str(reevaluations.folder(place, recipe.name) / PAGE)
    summary["warnings"] = _warned(recipe, measured, summary) if facts["alarms"] else []
    for warning in summary["warnings"]:
        log.warning("reeval: %s", warning)
    create_markdown_artifact(trend.markdown(facts), key="trend", description=f"Round {measured.name}")
    create_link_artifact(Path(summary["page"]).as_uri(), link_text=f"Trend of {recipe.name}", key="trend-page")
    if facts["alarms"]:
        return Failed(name=ALARMED, message=" ".join(facts["alarms"]), data=summary)
    return summary


def reevaluate(recipe: Recipe, root: Path, name: str, accept: str) -> Events[Round]:
    """Measure, compare, and keep what was found; the order of events of one round in the home at `root`.

    UsageError if the recipe's champion is gone, or no model can be measured.
    """
    home, at = Home(root), datetime.now(UTC).isoformat(timespec="seconds")
    moves = champions.moves(home, recipe.name)  # read first: who is moved up meanwhile is found by the next round
    champion = champions.champion(home, recipe.name)
    if champion is None and moves:
        raise UsageError(
            f"{recipe.name!r} has no champion any more",
            seen=f"{moves[-1].how} at {moves[-1].at}",
            hint=f"ponens promote {recipe.name}/N; `ponens adapters history {recipe.name}` tells every move",
        )
    who = str(champion) if champion else None
    sets = _sets(recipe)
    taken = {}
    for of, asked in sets.items():
        taken[of] = yield from again(recipe, root, asked, who, name, 0)
    references = {of: _comparable(reference(home, recipe.name, of), who) for of in sets}
    tests = corrected([_against(home, references[of], taken[of], who) for of in sets])
    found = []
    for (of, now), tested in zip(taken.items(), tests, strict=True):
        fallen = [kind for kind, one in (tested or {}).items() if one["verdict"] == "worse"]
        if fallen and not accept:
            log.warning("reeval: %s on %s fell; drawn a second time with other seeds", " and ".join(fallen), of)
            second = yield from again(recipe, root, sets[of], who, f"{name}, again", 1)
            confirmed = _against(home, references[of], second, who) or {}
            fallen = [kind for kind in fallen if confirmed[kind]["verdict"] == "worse"]
        found.append(_measure(home, of, now, who, references[of], tested, [] if accept else fallen))
    round = Round(recipe.name, name, at, who, moves[-1].how if moves else None, len(moves), accept, found)
    reevaluations.append(home, round)
    reevaluations.register(home, recipe.name)
    return round


def _sets(recipe: Recipe) -> dict[str, Recipe]:
    """What is measured on, by name: the recipe's own test split, then the recipes of [reeval] sets."""
    found = {OWN: recipe}
    for path in recipe.reeval.sets if recipe.reeval else []:
        one = load(Path(path))
        if one.name in found:
            raise UsageError("[reeval] sets", seen=f"two sets named {one.name!r}", expected="each name once")
        found[one.name] = one
    return found


def _comparable(found: Reference | None, who: str | None) -> Reference | None:
    """A champion is not held against a base that was measured before there was one."""
    return found if found and (found.champion is None) == (who is None) else None


def _against(home: Home, held: Reference | None, now: Receipt, who: str | None) -> Tests | None:
    return against(home, held.evaluation, now, base=who is None) if held else None


def _measure(
    home: Home, of: str, now: Receipt, who: str | None, held: Reference | None, tested: Tests | None, alarm: list[str]
) -> Measure:
    facts, told = now.facts, about(now, who, drawn_now=True)
    sides = {"base": facts["base"], **({"champion": facts["adapter"]} if who else {})}
    kept = ("accuracy", "ci95", "unreadable", "greedy_accuracy")
    then: Found | None = None
    if held and tested:
        side = held.evaluation.facts["adapter" if who else "base"]
        both = against(home, held.evaluation, now, base=True) or {}
        then = {
            "name": held.name,
            "accuracy": side["accuracy"],
            "unreadable": side["unreadable"],
            "base": both.get("accuracy", {}).get("verdict"),
            "changed": changed(held.about, told),
        }
    return Measure(
        of,
        now.artifact,
        facts["questions"],
        facts["votes"],
        {name: {figure: side.get(figure) for figure in kept} for name, side in sides.items()},
        told,
        then,
        tested,
        alarm,
    )


def _told(home: Home, recipe: Recipe, last: Round) -> trend.TrendFacts:
    """The facts of the trend; its page and its Markdown are in the home when this returns."""
    rounds = reevaluations.history(home, recipe.name)
    facts: trend.TrendFacts = {
        "recipe": recipe.name,
        "round": last.name,
        "made_at": last.at,
        "champion": last.champion,
        "command": "ponens reeval RECIPE",
        "sets": [
            {
                "name": one.set,
                "questions": one.questions,
                "points": points(rounds, one.set),
                "against": one.against,
                "tests": one.tests,
            }
            for one in last.measures
        ],
        "alarms": [_sentence(one, kind) for one in last.measures for kind in one.alarm],
    }
    folder = reevaluations.folder(home, recipe.name)
    for name, text in ((PAGE, trend.page(facts)), ("trend.md", trend.markdown(facts))):
        aside = folder / f".{name}.{os.getpid()}"
        aside.write_text(text, "utf-8")
        aside.replace(folder / name)
    return facts


def points(rounds: Sequence[Round], of: str) -> list[trend.Point]:
    """The course of one set over the rounds."""
    return [
        {
            "round": round.name,
            "at": round.at,
            "champion": round.champion,
            "accuracy": side["accuracy"],
            "ci95": side["ci95"],
            "unreadable": side["unreadable"],
            "base": one.sides["base"]["accuracy"],
            "alarm": list(one.alarm),
            "accepted": round.accepted,
        }
        for round in rounds
        for one in round.measures
        for side in [one.sides.get("champion", one.sides["base"])]
        if one.set == of
    ]


def _sentence(one: Measure, kind: str) -> str:
    """An alarm in words: what fell, from where to where, by which test, and what else is not as it was."""
    held, side = one.against or {}, one.sides.get("champion", one.sides["base"])
    moved = f"{percent(held[kind])} to {percent(side[kind])}"
    what = f"accuracy fell from {moved}" if kind == "accuracy" else f"the unreadable share climbed from {moved}"
    told = [f"{one.set}: {what} since {held['name']}. {(one.tests or {})[kind]['reason']}"]
    if "champion" in one.sides:
        told.append("The base fell as well." if held["base"] == "worse" else "The base did not.")
    return " ".join([*told, *([f"Changed: {'; '.join(held['changed'])}."] if held["changed"] else [])])


def _summary(round: Round) -> Found:
    """What of a round `ponens reeval --json` prints."""
    sets = [
        {name: value for name, value in asdict(one).items() if name not in ("sides", "tests")}
        | {**one.sides, "tests": one.tests}
        for one in round.measures
    ]
    return {"round": round.name, "champion": round.champion, "accepted": round.accepted, "sets": sets}


def _warned(recipe: Recipe, round: Round, summary: Mapping[str, Any]) -> list[str]:
    """Tell the alarm; what could not be told, in words."""
    parts = {name: summary[name] for name in ("recipe", "round", "champion", "alarms", "page")}
    fallen = [{"set": one.set, "what": list(one.alarm)} for one in round.alarms]
    news = {"event": ALARM, "id": identity(parts), "at": round.at, **parts, "fallen": fallen}
    url = (recipe.reeval.webhook if recipe.reeval else None) or gate.webhook(recipe, secret)
    return tell(news, {"ponens.champion": round.champion or ""}, recipe.name, url)


def _round(spec: ReevalSpec) -> str:
    """The time for which a deployment's run was scheduled, to the minute, else today: a second try goes on."""
    zone = ZoneInfo(spec.timezone)
    if runtime.deployment.id:
        return f"{runtime.flow_run.scheduled_start_time.astimezone(zone):%Y-%m-%d %H:%M}"
    return f"{datetime.now(zone):%Y-%m-%d}"
