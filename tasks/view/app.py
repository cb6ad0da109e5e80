"""The application of `ponens view`: which page answers which address, and what is said where something is wrong.

    /                      all runs                     /runs/ID            one, /runs/ID/live while it is under way
    /questions?a=…&b=…     every question, every reply  /reports            every page that was written for people
    /adapters[/NAME[/N]]   the registry                 /snapshots[/ID]     with /snapshots/A/diff/B
    /data                  sources                      /data/TABLE/ID      rejects, drops, suspects, lost

    POST /data/suspects/ID/say    a person's word on a key: the one thing that is written, beside the recipe

Handlers read files and parquet, in threads. Every id is looked up among those that are there; none is made a path.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from storage.home import Home
from storage.records import PonensError, UsageError
from tasks.view import data, questions, registry, reports, runs
from tasks.view.sealed import sealed
from tasks.view.site import Site, static

log = logging.getLogger("ponens")
Handler = Callable[[Site, Request], Response]
ROUTES: dict[str, Handler] = {
    "/": runs.index,
    "/runs/{id}": runs.show,
    "/runs/{id}/live": runs.live,
    "/runs/{id}/log": runs.log,
    "/questions": questions.index,
    "/reports": reports.index,
    "/pages/{kind}/{id}": reports.kept,
    "/adapters": registry.index,
    "/adapters/{name}": registry.one,
    "/adapters/{name}/{number:int}": registry.version,
    "/snapshots": data.snapshots,
    "/snapshots/{id}": data.snapshot,
    "/snapshots/{a}/diff/{b}": data.diff,
    "/data": data.index,
    "/data/{table}/{id}": data.table,
}
CHANGES: dict[str, Callable[[Site, Request, Mapping[str, str]], Response]] = {"/data/suspects/{id}/say": data.say}
_LONGEST_FORM = 64 << 10  # bytes


def application(home: Home) -> ASGIApp:
    """The pages over a home, which need not be there yet."""
    site = Site(home)

    def answers(handler: Handler) -> Callable[[Request], Response]:
        return lambda request: handler(site, request)

    def changes(handler: Callable[[Site, Request, Mapping[str, str]], Response]) -> Callable[[Request], Any]:
        async def change(request: Request) -> Response:
            return await run_in_threadpool(handler, site, request, await _form(request))

        return change

    def failed(request: Request, error: Exception) -> Response:
        return _failed(site, request, error)

    handlers: dict[Any, Any] = {HTTPException: failed, PonensError: failed, Exception: failed}
    routes = [Route(path, answers(handler)) for path, handler in ROUTES.items()]
    routes += [Route(path, changes(handler), methods=["POST"]) for path, handler in CHANGES.items()]
    return sealed(Starlette(routes=[*routes, Route("/static/{name}", _static)], exception_handlers=handlers))


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form as a browser sends it. HTTPException for what is none, or too long."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise HTTPException(415, "send a form")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_FORM:
            raise HTTPException(413, f"a form has at most {_LONGEST_FORM:,} bytes")
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _static(request: Request) -> Response:
    if (found := static(request.path_params["name"])) is None:
        raise HTTPException(404, "there is no such file")
    return Response(found[0], media_type=found[1], headers={"Cache-Control": "max-age=31536000, immutable"})


def _failed(site: Site, request: Request, error: Exception) -> Response:
    """A page that says what is wrong and what to do, in the words of the error."""
    status, thing, more = 500, "this page failed; the terminal of `ponens view` says how", []
    if isinstance(error, HTTPException):
        status, thing = error.status_code, error.detail
    elif isinstance(error, PonensError):
        status = 400 if isinstance(error, UsageError) else 500
        thing, *more = str(error).splitlines()
    else:
        log.error("view: %s failed", request.url.path, exc_info=error)
    return site.page(request, "failed.html.j2", status, status=status, thing=thing, more=[m.strip() for m in more])
