"""The list of all runs, and the page of one: steps, progress, loss as it trains, log, what was set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from storage.adapters import aliases
from storage.adapters import versions as adapters
from storage.adapters.folder import ABOUT
from storage.browse import runs
from storage.browse.runs import STATES, RunView
from storage.progress import LOG
from storage.records import PonensError
from tasks.clients.secrets import redact
from tasks.runtime.redaction import public
from tasks.runtime.settings_diff import differences
from tasks.view import drawing
from tasks.view.site import Site, ask, number

Row = dict[str, Any]
_SIZE = 50  # runs of a page
_SORTS = ("began", "recipe", "state", "verdict", "accuracy", "difference", "cost", "seconds")
_NUMBERS = ("accuracy", "difference", "cost", "seconds", "began")


def index(site: Site, request: Request) -> Response:
    """Every run, filtered and sorted."""
    found = rows(site)
    wanted = {name: ask(request, name) for name in ("q", "recipe", "state", "verdict")}
    sort = ask(request, "sort") if ask(request, "sort") in _SORTS else "began"
    down = ask(request, "order") != "up" if sort in _NUMBERS else ask(request, "order") == "down"
    matching = [row for row in found if _wanted(row, wanted)]
    known = [row for row in matching if row[sort] not in (None, "")]
    matching = sorted(known, key=lambda row: row[sort], reverse=down) + [
        row for row in matching if row[sort] in (None, "")
    ]
    pages = max(1, -(-len(matching) // _SIZE))
    page = min(number(request, "page"), pages)
    return site.page(
        request,
        "runs.html.j2",
        rows=matching[(page - 1) * _SIZE : page * _SIZE],
        matching=len(matching),
        total=len(found),
        page=page,
        pages=pages,
        wanted=wanted,
        sort=sort,
        down=down,
        states=[(state, n) for state in STATES if (n := sum(row["state"] == state for row in found))],
        recipes=sorted({row["recipe"] for row in found if row["recipe"]}),
        verdicts=sorted({row["verdict"] for row in found if row["verdict"]}),
        champions=_champions(site),
        live=any(row["state"] == "under way" for row in found),
    )


def show(site: Site, request: Request) -> Response:
    """One run."""
    return site.page(request, "run.html.j2", **_facts(site, request))


def live(site: Site, request: Request) -> Response:
    """The part of a run's page that changes while it is under way."""
    return site.page(request, "run_live.html.j2", **_facts(site, request))


def log(site: Site, request: Request) -> Response:
    """The whole log of a run, as text, without keys."""
    run = _run(site, request)
    try:
        text = (run.folder / LOG).read_text("utf-8", "replace")
    except OSError:
        text = ""
    return PlainTextResponse(redact(text))


def rows(site: Site) -> list[Row]:
    """The runs as rows of the list, newest first; what a run does not say is None or empty."""
    found = runs.listed(site.files)
    before = _before(found)
    return [_row(site, run, before.get(run.id)) for run in found]


def _row(site: Site, run: RunView, before: RunView | None) -> Row:
    evaluation, reason = run.part("evaluation"), run.part("reason")
    base, adapter, paired = (_part(evaluation, name) for name in ("base", "adapter", "paired"))
    measured = adapter or base
    return {
        "id": run.id,
        "began": run.began.isoformat() if run.began else None,
        "recipe": run.name,
        "change": changes(site, run, before),
        "state": run.state,
        "now": run.now,
        "problem": run.problem,
        "adapter": _text(run.outcome.get("adapter")) or _text(evaluation.get("adapter_name")),
        "verdict": _text(paired.get("verdict")),
        "base": _number(base.get("accuracy")),
        "accuracy": _number(measured.get("accuracy")),
        "difference": _number(paired.get("difference")),
        "cost": _number(reason.get("cost")),
        "unpriced": bool(reason) and reason.get("cost") is None,
        "seconds": run.seconds,
    }


def changes(site: Site, run: RunView, before: RunView | None) -> list[str]:
    """What is set otherwise than in the run before of the same recipe, without secrets."""
    if before is None or not run.recipe or not before.recipe:
        return []
    recipes = (before.recipe, run.recipe)
    known = site.changes.get((before.id, run.id))
    if known is None or known[0] is not recipes[0] or known[1] is not recipes[1]:
        known = (*recipes, differences(*recipes))
        site.changes[before.id, run.id] = known
    return known[2]


def _before(found: list[RunView]) -> dict[str, RunView]:
    """By a run's id, the run before it of the same recipe; `found` is newest first."""
    last: dict[str, RunView] = {}
    before = {}
    for run in reversed(found):
        if run.name in last:
            before[run.id] = last[run.name]
        if run.recipe:
            last[run.name] = run
    return before


def _facts(site: Site, request: Request) -> Row:
    run = _run(site, request)
    before = runs.before(site.files, run)
    text, cut = runs.log(run)
    evaluation = run.part("evaluation")
    receipt = site.files.receipt("evaluate", run.key("evaluate") or "")
    report = site.files.receipt("report", run.key("report") or "")
    reasoned = site.files.receipt("reason", run.key("reason") or "")
    rows, total = _history(site, run)
    return {
        "run": run,
        "row": _row(site, run, before),
        "before": before,
        "steps": run.steps,
        "longest": max([s["seconds"] for s in run.steps if isinstance(s.get("seconds"), int | float)], default=1) or 1,
        "evaluation": evaluation,
        "paired": _part(evaluation, "paired"),
        "sides": {name: _part(evaluation, name) for name in ("base", "adapter") if _part(evaluation, name)},
        "promotion": run.part("promotion"),
        "warnings": [str(warning) for warning in _list(evaluation.get("warnings"))],
        "error": redact(str(run.outcome.get("error") or "")),
        "evaluated": Path(receipt.artifact).name if receipt else None,
        "report": Path(report.artifact).name if report else None,
        "rationales": Path(reasoned.artifact).name if reasoned else None,
        "snapshot": _text(run.part("dataset").get("snapshot")),
        "curve": drawing.losses(rows, total),
        "last": rows[-1] if rows and isinstance(rows[-1], dict) else {},
        "log": redact(text),
        "log_cut": cut,
        "work_logs": _work_logs(site, run),
        "recipe": json.dumps(public(run.recipe), indent=2, ensure_ascii=False) if run.recipe else "",
    }  # fmt: skip


def _history(site: Site, run: RunView) -> tuple[list[Any], Any]:
    """The rows of a training and its steps in all: of the one under way, else of the adapter that came of it."""
    key = run.key("train")
    if key and not run.outcome.get("adapter"):
        for file in sorted(site.home.work("train", key).glob("*/history.json")):
            content = site.files.json(file) or {}
            return _list(content.get("rows")), content.get("total")
    name = _text(run.outcome.get("adapter"))
    try:
        about = site.files.json(adapters.resolve(site.home, name).folder / ABOUT) if name else None
    except PonensError:  # it was removed since
        about = None
    return (_list(about.get("history")) or _list(_part(about, "facts").get("loss")), None) if about else ([], None)


def _work_logs(site: Site, run: RunView) -> list[tuple[str, str]]:
    """The ends of what the programs of a step printed that is under way, or that did not come to its end."""
    steps = [run.now] if run.now else [s for s in run.steps if s.get("status") == "failed"]
    found = []
    for step in steps:
        if (name := str(step.get("name"))).isidentifier() and (key := str(step.get("key"))).isalnum():
            for file in sorted(site.home.work(name, key).glob("**/*.log"))[:6]:
                text, _ = runs.tail(file)
                if text.strip():
                    found.append((file.name, redact(text)))
    return found


def _run(site: Site, request: Request) -> RunView:
    run = runs.one(site.files, request.path_params["id"])
    if run is None:
        raise HTTPException(404, "this home has no run of this id")
    return run


def _champions(site: Site) -> dict[str, str]:
    found = {}
    for name in adapters.names(site.home):
        try:
            if number := aliases.current(site.home, name).get(aliases.CHAMPION):
                found[f"{name}/{number}"] = name
        except PonensError:  # the adapters' page says so
            continue
    return found


def _wanted(row: Row, wanted: Mapping[str, str]) -> bool:
    for name in ("recipe", "state", "verdict"):
        if wanted[name] and row[name] != wanted[name]:
            return False
    text = " ".join([row["id"], row["recipe"], row["adapter"], row["verdict"], row["state"], *row["change"]]).lower()
    return all(word in text for word in wanted["q"].lower().split())


def _part(content: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    found = content.get(name) if content else None
    return found if isinstance(found, dict) else {}


def _list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []


def _text(found: Any) -> str:
    return found if isinstance(found, str) else ""


def _number(found: Any) -> float | None:
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
