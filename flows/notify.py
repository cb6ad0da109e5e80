"""A new champion, or one that fell, is told to whoever waits for it: an event at the Prefect API, a POST to a webhook.

    announce(move, url)     what could not be told, in words; nothing is raised, for the champion has changed already
    tell(news, about, url)  the same for any news

Both carry the same JSON and the same id, however often a POST is tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential, wait_random

from storage.adapters.aliases import Move
from storage.records import digest

EVENT, ALARM = "ponens.champion.changed", "ponens.reeval.alarm"
_TRIES, _FIRST_WAIT_S, _LONGEST_WAIT_S, _TIMEOUT_S = 4, 0.5, 8.0, 10.0


def announce(move: Move, webhook: str | None) -> list[str]:
    """Tell Prefect's API, where one is set, and the webhook; warnings for what did not arrive."""
    told = content(move)
    return tell(told, {"ponens.champion": told["adapter"] or ""}, move.name, webhook)


def tell(news: Mapping[str, Any], about: Mapping[str, str], name: str, webhook: str | None) -> list[str]:
    """Tell news of the adapter `name`, with an "event" and an "id"; the event's resource says `about` it as well."""
    _emit(news, about, name)
    if not webhook:
        return []
    try:
        _post(webhook, news)
    except (httpx.HTTPError, httpx.InvalidURL) as error:  # whose own words name the whole address
        said = type(error).__name__
        if isinstance(error, httpx.HTTPStatusError):
            said = f"HTTP {error.response.status_code}"
        return [f"the webhook at {urlsplit(webhook).hostname} did not take the news: {said}"]
    return []


def content(move: Move) -> dict[str, Any]:
    """What is told of a move."""
    facts = asdict(move)
    after, before = (f"{move.name}/{n}" if n else None for n in (facts.pop("after"), facts.pop("before")))
    return {"event": EVENT, "id": identity(asdict(move)), **facts, "adapter": after, "before": before}


def identity(news: object) -> str:
    """The id of news, the same however often they are told."""
    return str(UUID(digest(news)[:32]))


def _emit(told: Mapping[str, Any], about: Mapping[str, str], name: str) -> None:
    from prefect.settings import get_current_settings

    if get_current_settings().api.url is None:
        return
    from prefect.events import emit_event

    resource = {"prefect.resource.id": f"ponens.adapter.{name}", "prefect.resource.name": name}
    emit_event(told["event"], {**resource, **about}, payload=dict(told), id=UUID(told["id"]))


def _post(url: str, told: Mapping[str, Any]) -> None:
    for attempt in Retrying(
        stop=stop_after_attempt(_TRIES),
        wait=wait_exponential(_FIRST_WAIT_S, _LONGEST_WAIT_S) + wait_random(0, _FIRST_WAIT_S),
        retry=retry_if_exception(_passing),
        reraise=True,
    ):
        with attempt:
            httpx.post(url, json=told, headers={"Idempotency-Key": told["id"]}, timeout=_TIMEOUT_S).raise_for_status()


def _passing(error: BaseException) -> bool:
    """Whether another try may do better: nothing answered, or the server is busy or ill."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code == httpx.codes.TOO_MANY_REQUESTS or error.response.is_server_error
    return isinstance(error, httpx.TransportError)
