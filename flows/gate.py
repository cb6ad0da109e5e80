"""Promotion: the candidate meets the champion on the gate set, and the alias moves only if the word is "better".

promote(recipe, home, candidate, secret)    evaluates what is not evaluated yet, then decides
force(home, candidate, because)             decides nothing: the reason is what stands in the history
rollback(home, "logic", because)            to the champion before

Nothing is locked while a model answers. Whoever moves the alias says which champion the candidate was held against;
if another one has taken its place since, the candidate has to beat that one too.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flows.chain import Events, contest
from flows.notify import announce
from flows.recipe import Recipe, validate
from storage import runs
from storage.adapters import champions
from storage.adapters import versions as adapters
from storage.adapters.aliases import Move
from storage.adapters.registry import Overtaken
from storage.adapters.versions import Adapter
from storage.artifacts import read_manifest
from storage.dialogues import TAKES
from storage.home import Home
from storage.records import Receipt, Refused, UsageError
from storage.sources import source
from tasks.adapters.promote import SPLIT, judge
from tasks.parse import step as parse
from tasks.runtime.step import Secret, log
from tasks.train import tracking

WEBHOOK = "PONENS_WEBHOOK"
Found = dict[str, Any]


def promote(recipe: Recipe, home: Home, candidate: Adapter, secret: Secret, because: str = "") -> Events[Found]:
    """Make the candidate champion if it is better than the present one, or than its base while there is none.

    Yields the steps that measure the two; returns what `ponens promote --json` prints, where "promoted" is false for
    a refusal, and for what is champion already.
    """
    while True:
        champion = champions.champion(home, candidate.name)
        if champion == candidate:
            return _told(candidate, champion, None, {}, [])
        contenders = [str(one) for one in (candidate, champion) if one]
        asked, receipts = yield from contest(recipe, home.root, contenders)
        unread = _unread(recipe, asked)
        evidence = {"gate": recipe.gate or SPLIT, **judge(home, receipts[0], receipts[1] if champion else None)}
        if evidence["paired"]["verdict"] != "better":
            return _told(candidate, champion, None, evidence, unread)
        try:
            move = champions.promote(home, candidate, champion, "gate", because, evidence)
        except Overtaken:
            continue
        silent = _spread(home, move, webhook(recipe, secret)) if move else []
        return _told(candidate, champion, move, evidence, [*unread, *silent])


def look(recipe: Recipe, home: Home) -> tuple[int, int]:
    """How many rows of a gate set of its own could judge an adapter, and how many not. UsageError if none could."""
    fetched = home.root / "fetched"
    spec = parse.whole(recipe.parse, recipe.gate, fetched)
    paths = [source.local(path, fetched) for path in recipe.gate]
    found = parse.inspect(paths, None, spec.columns, fetched, spec.first)
    asked = int(found["answered"]) if {*found["kinds"]} <= {*TAKES[recipe.kind]} else 0
    if not asked:
        reasons = dict.fromkeys(f"{reject['field']}: {reject['reason']}" for reject in found["rejects"])
        raise UsageError(
            "the gate set holds nothing that an adapter could be judged on",
            seen=f"{', '.join(recipe.gate)}: {found['questions']:,} rows for {', '.join(found['kinds']) or 'nothing'}, "
            + "; ".join([f"{found['rejected']:,} rejected", *reasons][:3]),
            expected=f"rows for {', '.join(TAKES[recipe.kind])}, with answers",
            hint="see it by itself: ponens parse FILE",
        )
    return asked, int(found["questions"]) + int(found["rejected"]) - asked


def force(home: Home, candidate: Adapter, because: str, url: str | None) -> Found:
    """Make the candidate champion unseen. UsageError without a reason."""
    if not because.strip():
        raise UsageError(
            "--force needs a reason, which stands in the history", seen=repr(because), expected='--because "…"'
        )
    while True:
        champion = champions.champion(home, candidate.name)
        try:
            move = champions.promote(home, candidate, champion, "force", because.strip())
        except Overtaken:
            continue
        return _told(candidate, champion, move, {}, _spread(home, move, url) if move else [])


def rollback(home: Home, name: str, because: str, url: str | None) -> Found:
    """Back to the champion before. UsageError where there is none."""
    champion = champions.champion(home, name)
    move = champions.rollback(home, name, because.strip())
    return _told(adapters.resolve(home, f"{name}/{move.after}"), champion, move, {}, _spread(home, move, url))


def recipe_of(home: Home, adapter: Adapter) -> Recipe:
    """The recipe of the newest run that came to this adapter. UsageError if no run did, or it holds no longer."""
    key = read_manifest(adapter.folder).get("key")
    for run in reversed(runs.runs(home)):
        if key and any(step["name"] == "train" and step["key"] == key for step in run.outcome.get("steps", [])):
            return validate(dict(run.recipe), f"the recipe of run {run.id}")
    raise UsageError(
        f"no run of {home.root} that came to an end made {adapter}, so its recipe is not known",
        hint=f"name one: ponens promote {adapter} --recipe RECIPE",
    )


def _spread(home: Home, move: Move, url: str | None) -> list[str]:
    """Tell a move to whoever waits for it, and to MLflow; warnings for what did not arrive."""
    return [*announce(move, url), *tracking.registered(home, move.name)]


def webhook(recipe: Recipe | None, secret: Secret) -> str | None:
    """Where a new champion is posted: the recipe's address, else PONENS_WEBHOOK."""
    if recipe and recipe.promote and recipe.promote.webhook:
        return recipe.promote.webhook
    try:
        return secret(WEBHOOK)
    except Exception as error:  # of Prefect's client, of HTTP: the champion does not wait for whom it is told to
        log.warning("promote: %s could not be looked up: %s", WEBHOOK, type(error).__name__)
        return None


def refusal(found: Found) -> Refused:
    """Why the gate stayed shut, with its numbers and what it could have seen."""
    paired, against = found["paired"], found["against"]
    worse = paired["verdict"] == "worse"
    low, high = (f"{100 * end:+.1f}" for end in paired["ci95"])
    shown = paired["detectable"]
    return Refused(
        f"{found['adapter']} is not promoted: it is worse than {against}"
        if worse
        else f"{found['adapter']} is not promoted: one cannot tell whether it is better than {against}",
        seen=f"{paired['reason']} Accuracy {found['accuracy']['candidate']:.3f} against "
        f"{found['accuracy']['against']:.3f}: {100 * paired['difference']:+.1f} points, 95 % {low} to {high}",
        expected=f"better; the smallest difference that these {found['questions']} questions could have shown is "
        f"{100 * shown:.1f} points"
        if shown is not None
        else f"better; {found['questions']} questions are too few to show any difference",
        hint=("" if worse else "judge it on more questions, or ")
        + f'`ponens promote {found["adapter"]} --force --because "…"`',
    )


def _unread(recipe: Recipe, asked: Receipt) -> list[str]:
    """What of a gate set of its own judges nothing, in words; of the test split `parse` has said so."""
    facts = asked.facts
    lost = facts["rejected"], facts["questions"] - facts["answered"]
    said = [f"{count:,} {what}" for count, what in zip(lost, ("rejected rows", "without a key"), strict=True) if count]
    if not recipe.gate or not said:
        return []
    return [f"the gate set is judged without {' and '.join(said)} of {facts['questions'] + facts['rejected']:,} rows"]


def _told(
    candidate: Adapter, champion: Adapter | None, move: Move | None, evidence: Found, warnings: list[str]
) -> Found:
    found = {
        "adapter": str(candidate),
        "against": str(champion) if champion else f"the base of {candidate}",
        "before": str(champion) if champion else None,
        "champion": str(candidate) if move or champion == candidate else str(champion) if champion else None,
        "promoted": move is not None,
        **evidence,
        "move": asdict(move) if move else None,
        "warnings": warnings,
    }
    return found | {"why": _why(found)}


def _why(found: Found) -> str:
    """What came of it, in words."""
    if move := found["move"]:
        reason = found["paired"]["reason"] if "paired" in found else move["because"]
        return f"{found['champion']} is the champion now, by {move['how']}. {reason}".rstrip()
    if found["champion"] == found["adapter"]:
        return f"{found['adapter']} is the champion already."
    return str(refusal(found))
