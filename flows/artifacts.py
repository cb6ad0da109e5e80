"""What Prefect's pages show of a run: a table and a bar on each step's page, the verdict on the run's.

    step(home, step, status, receipt)      counts, drops, costs; where the artifact lies; MLflow; a query to go on from
    run(summary)                           the comparison, the verdict, the report, the promotion
    with Progress(name, show) as tell      a bar that moves, now and then a line in the log
    waiting(name, said)                    the run's state says for whom it waits
    alive()                                an event for those who watch for runs that died (flows.crash_watch)

Each is one call of the API or two: an all-cached run makes no more of them than it has steps.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast
from uuid import UUID

import httpx
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext, TaskRunContext
from prefect.events import emit_event
from prefect.exceptions import PrefectHTTPStatusError, TerminationSignal
from prefect.states import Running

from flows import show
from storage.adapters import versions as adapters
from storage.browse import address
from storage.home import Home
from storage.records import PonensError, Receipt
from tasks.runtime import step as steps
from tasks.runtime.step import Step, Tick, log

ALIVE = "ponens.run.alive"
_MEASURES = ("accuracy", "ci95", "greedy_accuracy", "single_accuracy", "forced_accuracy", "value", "unreadable")
_BAR_S, _LOG_S = 2.0, 30.0
_UNTOLD = {"loss", "rationales", "sources", "curves", "lengths", "warnings"}  # a page of the report has them
# by the first table that a step fills
_QUERIES = {
    "questions": "select split, language, count(*) as questions from questions where artifact = '{0}' group by all",
    "dialogues": "select split, task, count(*) as dialogues from dialogues where artifact = '{0}' group by all",
    "rationales": "select kept, reason, count(*) as rationales from rationales where artifact = '{0}' group by all",
    "examples": "select split, count(*) as examples from examples where artifact = '{0}' group by all",
    "samples": "select subject, count(*) as questions, count_if(winner = gold) as correct from ballots "
    "where artifact = '{0}' group by all",
    "preferences": "select split, source, count(*) as preferences from preferences where artifact = '{0}' group by all",
    "scores": "select subject, outcome, count(*) as replies from scores where artifact = '{0}' group by all",
}
_OTHERS = "select step, seconds, made_at, facts from artifacts where artifact = '{0}'"


def step(home: Home, done: Step, status: str, receipt: Receipt) -> None:
    """The table on a step's page, with what leads on from it."""
    place = home.root / receipt.artifact
    table = next((name for name in done.tables if name in _QUERIES), "")
    query = _QUERIES.get(table, _OTHERS).format(receipt.artifact)
    said = [f"**{done.name}**: {status}, key `{receipt.key[:16]}`", f"- artifact: `{place}`"]
    if (page := place / "report.html").exists():
        said.append(f"- report: [{page}]({page.as_uri()})")
    if done.name in ("train", "tune", "grpo"):
        said.append(f"- MLflow: {_mlflow(home, receipt)}")
    said.append(f'- warehouse: `PONENS_HOME={home.root} ponens sql "{query}"`')
    rows = [{"fact": "status", "value": status}, *rows_of(receipt.facts)]
    rows += [{"fact": "seconds, when it ran", "value": receipt.seconds}, {"fact": "digest", "value": receipt.digest}]
    create_table_artifact(table=rows, key=done.name, description="\n".join(said))


def rows_of(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Facts as a table: numbers and words, those of one level below with both names, what else there is left out.

    >>> rows_of({"rows": {"train": 8}, "cost": None, "curves": [], "engine": "vllm"})
    [{'fact': 'rows: train', 'value': 8}, {'fact': 'engine', 'value': 'vllm'}]
    """
    return [{"fact": name, "value": value} for name, value in _told(facts)]


def run(summary: Mapping[str, Any]) -> None:
    """What a run came to, on its page: the comparison, the verdict, the links to both pages."""
    if page := summary.get("reason", {}).get("page"):
        link = f"[Rationales and keys in doubt]({Path(page).as_uri()})"
        create_markdown_artifact(f"{link}\n\n{Path(page).with_suffix('.md').read_text('utf-8')}", key="rationales")
    if found := summary.get("evaluation"):
        sides = show.sides(found)
        rows = [{"": name} | {m: _shown(side[m]) for m in _MEASURES if m in side} for name, side in sides.items()]
        words = ", ".join(f"**{paired['verdict']}**" for _, paired in show.verdicts(found))
        said = (
            f"{summary['adapter']} against the base: {words}" if words else f"{summary['recipe']}: the base by itself"
        )
        create_table_artifact(rows, key="comparison", description=said)
    if page := summary.get("report"):
        text = f"Report on {summary.get('adapter', summary['recipe'])}"
        create_link_artifact(Path(page).as_uri(), link_text=text, key="report-page", description=f"`{page}`")
        create_markdown_artifact(Path(page).with_suffix(".md").read_text("utf-8"), key="verdict")
    if found := summary.get("promotion"):
        create_markdown_artifact(found["why"], key="promotion", description=f"Champion: {found['champion']}")


def look(run_id: str) -> None:
    """A link on the run's page to the same run in `ponens view`, from its beginning on."""
    if FlowRunContext.get() is not None:
        said = "Steps, loss as it trains, log, every reply; while `ponens view` is open."
        create_link_artifact(f"{address.url()}/runs/{run_id}", link_text="In ponens view", key="view", description=said)


class Progress:
    """Passes ticks on to the screen, to a bar on the step's page and to its log, these two sparingly."""

    def __init__(self, name: str, show: steps.Progress) -> None:
        self.name, self.show = name, show
        self._bar: UUID | None = None
        self._share = 0.0
        self._moved = self._logged = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None and self._bar and self._share < 100:  # votes that were settled early are not drawn
            self._move(100.0)

    def __call__(self, tick: Tick) -> None:
        self.show(tick)
        if TaskRunContext.get() is None:
            return
        now, last = time.monotonic(), tick.done == tick.total
        if last or now - self._logged >= _LOG_S:
            self._logged = now
            log.info("%s: %s of %s %s %s", self.name, tick.done, tick.total or "?", tick.unit, tick.note)
        if tick.total and (last or now - self._moved >= _BAR_S):
            self._moved = now
            self._move(100.0 * tick.done / tick.total)

    def _move(self, share: float) -> None:
        self._share = share
        if self._bar is None:
            self._bar = cast(UUID, create_progress_artifact(share, key=f"{self.name}-progress", description=self.name))
        else:
            update_progress_artifact(self._bar, share)


def waiting(name: str, said: str | None) -> None:
    """Have the run's state say that a step waits and for whom, or that it goes on; never against a cancellation."""
    told = f"{name} waits: {said}" if said else f"{name} goes on"
    log.info(told)
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    state: State[None] = Running(name="Waiting" if said else "Running", message=told)
    try:
        with get_client(sync_client=True) as client:
            found = client.read_flow_run(context.flow_run.id).state
            if found and found.is_running():
                client.set_flow_run_state(context.flow_run.id, state)
                alive()  # Running is told anew, and whoever watches waits anew for a sign
    except (httpx.HTTPError, PrefectHTTPStatusError) as error:
        log.warning("Prefect could not be told of it: %s", error)


@contextmanager
def ended(name: str) -> Iterator[None]:
    """Say in calm words, before Prefect calls it a crash, that a step was ended from outside, and what stays of it."""
    try:
        yield
    except TerminationSignal:
        who = "cancelled in Prefect" if _cancelling() else "ended by a termination signal"
        log.warning("%s: %s; what it has done stays, and another run of the same recipe goes on from there", name, who)
        raise


def _cancelling() -> bool:
    """Whether a person pressed Cancel; False where Prefect cannot be asked any more."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return False
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(context.flow_run.id).state
    except (httpx.HTTPError, PrefectHTTPStatusError):
        return False
    return state is not None and (state.is_cancelling() or state.is_cancelled())


def alive() -> None:
    """Say that the process of this flow run is there, whether or not it will beat."""
    context = FlowRunContext.get()
    if context and context.flow_run:
        flow = {
            "prefect.resource.id": f"prefect.flow.{context.flow_run.flow_id}",
            "prefect.resource.role": "flow",
            "prefect.resource.name": context.flow.name if context.flow else "",
        }
        emit_event(ALIVE, {"prefect.resource.id": f"prefect.flow-run.{context.flow_run.id}"}, related=[flow])


def _mlflow(home: Home, receipt: Receipt) -> str:
    """Where the training is to be found in MLflow."""
    try:
        about = adapters.about(adapters.resolve(home, receipt.artifact.removeprefix("adapters/")))
    except PonensError as error:
        return f"not known: {error}"
    run = about.get("mlflow") or {}
    if str(run.get("uri", "")).startswith("http") and "experiment_id" in run:
        place = f"{run['uri'].rstrip('/')}/#/experiments/{run['experiment_id']}/runs/{run['run_id']}"
        return f"[run {run['run_id']}]({place})"
    return f"run `{run['run_id']}`, `PONENS_HOME={home.root} ponens mlflow`" if run else "not tracked"


def _told(facts: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in facts.items():
        if name in _UNTOLD or name.endswith("_ids"):
            continue
        if isinstance(value, Mapping) and not above:
            yield from _told(value, f"{name}: ")
        elif isinstance(value, str | int | float):
            yield above + name, round(value, 4) if isinstance(value, float) else value
        elif isinstance(value, list) and len(value) == 2 and all(isinstance(end, float) for end in value):
            yield above + name, _shown(value)


def _shown(value: float | list[float] | None) -> str:
    if isinstance(value, list):
        return " … ".join(f"{end:.3f}" for end in value)
    return "–" if value is None else f"{value:.3f}"
