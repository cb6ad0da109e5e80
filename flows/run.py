"""One run of a recipe: each step as a Prefect task, its receipt, its artifacts, its line on the screen."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast

from prefect import task
from prefect.blocks.system import Secret
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Completed

import flows.offline  # noqa: F401  a run in a worker reaches this machine past every proxy, too
from flows import artifacts, crash_watch, dry_run
from flows.bases import local
from flows.chain import Events, Walk, chain
from flows.recipe import Recipe, resolved
from flows.screen import Screen
from storage import runs, warehouse
from storage.adapters import versions as adapters
from storage.artifacts import write_json
from storage.home import Home
from storage.progress import RunProgress, following
from storage.records import PonensError, Receipt
from tasks.adapters import model_card
from tasks.clients.secrets import redact
from tasks.evaluate.rivals import is_rival
from tasks.reason.rationales import PAGE
from tasks.runtime.step import Progress, Step, Tick, log, remembered, run_step
from tasks.train import tracking

_MADE = ("train", "tune", "grpo")  # steps that leave an adapter, in their order
_CHEAP = ("puzzles", "parse", "assemble", "report")


@dataclass
class Run:
    """Does the steps of a chain, in order, up to `until` or all of them; remembers what came of each."""

    recipe: Recipe
    home: Home
    refresh: Collection[str] = ()
    until: str | None = None
    screen: Screen = field(default_factory=Screen)
    id: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}")
    receipts: dict[str, Receipt] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    promotion: dict[str, Any] | None = None
    result: Any = None  # what the chain returned
    known: warehouse.Known = frozenset()
    looked: bool = False
    progress: RunProgress | None = None

    def go(self, events: Callable[[Recipe, Path], Events[Any]] = chain) -> dict[str, Any]:
        """Run a chain; the summary that `ponens run --json` prints. Whatever a step raises passes through.

        UsageError if the recipe has no step `until`.
        """
        artifacts.alive()
        if self.until:
            self.recipe.require(self.until)
        log.setLevel(logging.INFO)  # what the house says goes to Prefect's log, which asks for no more than this
        with runs.going(self.home, self.id, resolved(self.recipe)) as folder:
            self.known = warehouse.open_run(self.home, self.id, resolved(self.recipe), self.recipe.name)
            artifacts.look(self.id)
            _noted(self.home, folder)
            outcome, why = "failed", {}
            try:
                with following(folder, log, redact) as self.progress:
                    self._follow(events(self.recipe, self.home.root))
                outcome = "done"
            except BaseException as error:
                why = {"error": redact(str(error) or type(error).__name__)}
                if isinstance(error, PonensError):
                    error.summary = self.summary()
                raise
            finally:
                write_json(folder / "outcome.json", {"outcome": outcome, "ended_at": _now(), **why, **self.summary()})
                warehouse.close_run(self.home, self.id, outcome)
        return self.summary()

    def _follow(self, events: Events[Any]) -> None:
        walk = Walk(events)
        for step in walk:
            walk.done(self.do(step))
            if step.name == self.until:
                return
        self.result = walk.result
        if self.recipe.promote and "report" in self.receipts:
            self.promote()

    def do(self, step: Step) -> Receipt:
        """Do one step as a Prefect task of its name."""
        self._look_ahead(step)
        made: list[tuple[Receipt, Literal["ran", "cached"]]] = []

        def work(tell: Progress) -> State[None]:
            made.append(self._step(step, tell, refresh=step.name in self.refresh))
            receipt, status = made[0]
            artifacts.step(self.home, step, status, receipt)
            return Completed(name="Cached" if status == "cached" else "Completed", message=receipt.artifact)

        seconds = self._perform(step.name, str(step.key), work)
        receipt, status = made[0]
        self.receipts[step.name] = receipt
        _card(self.home, step.name, receipt)
        self._note(step.name, status, seconds, receipt.key, receipt.facts)
        if step.name == "report" and status == "ran":
            _tracked(self.home, self.receipts["evaluate"])
        return receipt

    def _look_ahead(self, step: Step) -> None:
        """Before the first step that costs something, refuse what this run is sure to end with."""
        if self.looked or step.name in _CHEAP or (remembered(step, self.home) and step.name not in self.refresh):
            return
        self.looked = True
        steps = self.recipe.steps
        ahead = steps[steps.index(step.name) : steps.index(self.until) + 1 if self.until else None]
        dry_run.refuse(
            dry_run.Dry(local(self.recipe, self.home.root), self.home, self.receipts.get("parse"), {}, secret), ahead
        )

    def promote(self) -> None:
        """Let the gate decide on this run's adapter, as the task that is last; a refusal is an outcome, no failure."""
        from flows import gate  # only a recipe that asks for it needs what it brings along

        made = last_made(self.receipts)
        candidate = adapters.resolve(self.home, made.artifact.removeprefix("adapters/"))
        found: dict[str, Any] = {}

        def work(tell: Progress) -> State[None]:
            walk = Walk(gate.promote(self.recipe, self.home, candidate, secret))
            for step in walk:
                walk.done(self._step(step, tell)[0])
            found.update(walk.result)
            for warning in found["warnings"]:
                log.warning("promote: %s", warning)
            return Completed(name="Promoted" if found["promoted"] else "Kept", message=found["why"])

        seconds = self._perform("promote", made.key, work)
        self.promotion = found
        self._note("promote", "ran", seconds, made.key, found)

    def _step(self, step: Step, tell: Progress, *, refresh: bool = False) -> tuple[Receipt, Literal["ran", "cached"]]:
        def waits(said: str | None) -> None:
            self.screen.waits(step.name, said)
            artifacts.waiting(step.name, said)
            if self.progress:
                self.progress.waits(said)

        who, cluster = f"{step.name} of {self.recipe.name}, run {self.id}", self.recipe.cluster
        return run_step(
            step,
            self.home,
            refresh=refresh,
            progress=tell,
            secret=secret,
            cluster=cluster,
            who=who,
            waits=waits,
            known=self.known,
        )

    def _perform(self, name: str, key: str, work: Callable[[Progress], State[None]]) -> float:
        """Do the work as a Prefect task of this name; the seconds it took."""

        @task(name=name, task_run_name=name, cache_policy=NO_CACHE, persist_result=False)
        def perform() -> State[None]:
            with artifacts.ended(name), self.screen.working(name) as show, artifacts.Progress(name, show) as tell:
                return work(self._followed(tell))

        if self.progress:
            self.progress.begin(name, key)
        start = time.monotonic()
        try:
            perform()
        except BaseException:
            self._note(name, "failed", time.monotonic() - start, key, {})
            raise
        return time.monotonic() - start

    def _followed(self, tell: Progress) -> Progress:
        """Whoever looks at the run's folder is told as well."""

        def told(tick: Tick) -> None:
            tell(tick)
            if self.progress:
                self.progress.tick(tick.done, tick.total, tick.unit, tick.note)

        return told

    def _note(self, name: str, status: str, seconds: float, key: str, facts: Any) -> None:
        self.steps.append({"name": name, "status": status, "seconds": round(seconds, 3), "key": key})
        if self.progress:
            self.progress.end(self.steps[-1])
        self.screen.done(name, status, seconds, facts)

    def summary(self) -> dict[str, Any]:
        """What the run came to; parts whose step was not reached are absent."""
        found = self.receipts
        said: dict[str, Any] = {
            "run_id": self.id,
            "recipe": self.recipe.name,
            "home": str(self.home.root),
            "steps": self.steps,
        }
        if "reason" in found:
            said["reason"] = self._reasoned()
        if "assemble" in found:
            facts = found["assemble"].facts
            said["dataset"] = {name: facts[name] for name in ("snapshot", "rows", "rejected", "dropped")}
        if "train" in found:
            said["adapter"] = last_made(found).artifact.removeprefix("adapters/")
        if "evaluate" in found:
            said["evaluation"] = found["evaluate"].facts
        if "report" in found:
            said["report"] = str(self.home.root / found["report"].artifact / "report.html")
        if self.promotion is not None:
            said["promotion"] = self.promotion
        return said

    def _reasoned(self) -> dict[str, Any]:
        """The facts of `reason`, spending of this run alone: a cached step asked for nothing."""
        receipt = self.receipts["reason"]
        facts = {**receipt.facts, "page": str(self.home.root / receipt.artifact / PAGE)}
        if any(s["name"] == "reason" and s["status"] == "cached" for s in self.steps):
            facts |= {"asked": 0, "from_ledger": facts["requests"], "cost": 0.0, "seconds": 0.0}
            facts["tokens"] = dict.fromkeys(facts["tokens"], 0)
        return facts


def last_made(receipts: Mapping[str, Receipt]) -> Receipt:
    """The receipt of the adapter that a run came to in the end; train is among them."""
    return [receipts[name] for name in _MADE if name in receipts][-1]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _card(home: Home, step: str, receipt: Receipt) -> None:
    """Bring the model card of what was trained or evaluated up to date; a disk that is full costs the card alone."""
    made = receipt.artifact.removeprefix("adapters/")
    named = {**dict.fromkeys(_MADE, made), "evaluate": receipt.facts.get("adapter_name")}
    if (name := named.get(step)) and not is_rival(name):
        try:
            model_card.write(home, adapters.resolve(home, name))
        except (PonensError, OSError) as error:
            log.warning("%s: no model card: %s", step, error)


def _noted(home: Home, folder: Path) -> None:
    """Remember what Prefect calls this run, and have it hear of those of this home that were killed."""
    context = FlowRunContext.get()
    if context and context.flow_run:
        runs.known_as(folder, str(context.flow_run.id))
        for id in crash_watch.bury(home):
            log.info("run %s was killed: Prefect calls it crashed now", id)


def _tracked(home: Home, evaluated: Receipt) -> None:
    """MLflow's runs and registered models of the adapters that were evaluated hear the verdict."""
    names = (str(one) for one in (evaluated.facts.get("adapter_name"), *(evaluated.facts.get("others") or {})) if one)
    for name in dict.fromkeys(one.rpartition("/")[0] for one in names if not is_rival(one)):
        if name in adapters.names(home):
            for warning in tracking.registered(home, name):
                log.warning("report: %s", warning)


def secret(variable: str) -> str | None:
    """A key from the environment, else from the Prefect Secret block of that name: OPENAI_API_KEY, openai-api-key."""
    if value := os.environ.get(variable):
        return value
    try:
        block = cast("Secret[Any]", Secret.load(variable.lower().replace("_", "-")))
    except ValueError:  # Prefect's word for a block that is not there
        return None
    return str(block.get())
