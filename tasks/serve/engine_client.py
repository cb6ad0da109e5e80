"""From the front to the engine: requests over its socket, each adapter loaded before it is first asked for.

async with link.asked("/v1/completions", body) as reply: ...
await link.ready(model)
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from tasks.serve.errors import Refusal, down
from tasks.serve.model import Model
from tasks.serve.served_models import Catalogue
from tasks.serve.supervisor import Supervisor

log = logging.getLogger("ponens")

_JSON = {"Content-Type": "application/json"}
_DEATHS = 2  # of the engine while it loads an adapter, before that adapter is refused
_LONGEST = 400  # characters of the engine's own reason


class Link:
    """What the front knows of the engine. An adapter is loaded once in an engine's life."""

    def __init__(self, catalogue: Catalogue, supervisor: Supervisor) -> None:
        self.catalogue, self.supervisor = catalogue, supervisor
        self._loaded: set[tuple[int, str]] = set()
        self._loading: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        # engines that ended, by the adapter that they were loading or had yet to answer for
        self._deaths: dict[str, set[int]] = defaultdict(set)
        self._proven = {"base"}

    def engine_name(self, model: Model) -> str:
        """What the engine calls a model."""
        return "base" if model.name == self.catalogue.base.name else model.name

    async def ready(self, model: Model) -> None:
        """See that the engine has the model. Refusal 503 while there is no engine, 422 if it cannot load it."""
        if not self.supervisor.ready:
            raise down(self.supervisor.after)
        name = self.engine_name(model)
        if name == "base" or (self.supervisor.generation, name) in self._loaded:
            return
        async with self._loading[name]:
            if (generation := self.supervisor.generation, name) not in self._loaded:
                await self._load(name)
                self._loaded.add((generation, name))

    async def _load(self, name: str) -> None:
        if len(self._deaths[name]) >= _DEATHS:
            why = self.supervisor.why or "it left no word"
            raise self._unusable(name, f"the engine ended {_DEATHS} times when it was loaded or first asked: {why}")
        folder = await asyncio.to_thread(self.catalogue.take, name)
        async with self.asked("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)}) as reply:
            said = await reply.read()
            if reply.status == 200 or b"already been loaded" in said:
                return
        refusal = self._unusable(name, f"the engine refuses it: {_reason(said)}")
        self.catalogue.refuse(name, refusal)
        raise refusal

    def _unusable(self, name: str, reason: str) -> Refusal:
        return Refusal(422, f"adapter {name} cannot be served: {reason}", code="adapter_unusable", param="model")

    @asynccontextmanager
    async def asked(self, path: str, body: Mapping[str, Any]) -> AsyncIterator[aiohttp.ClientResponse]:
        """The engine's reply, its body unread. Refusal 503 if the engine is not there, or dies before it replies."""
        if not self.supervisor.ready:
            raise down(self.supervisor.after)
        try:
            reply = await self.supervisor.session.post(path, data=orjson.dumps(body), headers=_JSON)
        except (aiohttp.ClientError, OSError) as error:
            self._died(body)
            raise down(self.supervisor.after) from error
        if reply.status == 200 and "model" in body:
            self._proven.add(body["model"])
        try:
            yield reply
        finally:
            reply.release() if reply.content.is_eof() else reply.close()

    def _died(self, body: Mapping[str, Any]) -> None:
        self.supervisor.doubt()
        name = str(body.get("lora_name") or body.get("model"))
        if name not in self._proven:
            self._deaths[name].add(self.supervisor.generation)

    async def told(self, path: str, body: Mapping[str, Any]) -> bytes:
        """The engine's whole reply. Refusal for anything but 200: in its words if the request is at fault, else 503."""
        try:
            async with self.asked(path, body) as reply:
                said = await reply.read()
        except (aiohttp.ClientError, OSError) as error:
            self.supervisor.doubt()
            raise down(self.supervisor.after) from error
        if reply.status != 200:
            raise await self.refused(reply.status, said)
        return said

    async def refused(self, status: int, said: bytes) -> Refusal:
        """What the front answers where the engine did not: its words if the request is at fault, 503 if it is dead.

        An engine that fails at a request and lives would fail at it again: that is the request's 422.
        """
        if status >= 500:
            if await self.supervisor.lives():
                log.warning("serve: the engine failed at a request: %s", said[:500].decode(errors="replace"))
                return Refusal(422, "the engine cannot do this request", code="engine_failed")
            self.supervisor.doubt()
            return down(self.supervisor.after)
        try:
            error = orjson.loads(said)["error"]
            message, param = str(error["message"]), error.get("param")
        except (orjson.JSONDecodeError, KeyError, TypeError):
            message, param = "the engine refuses the request", None
        return Refusal(status if status >= 400 else 400, message[:2000], param=param)


def _reason(said: bytes) -> str:
    """What the engine says of a refusal, in one line."""
    try:
        error = orjson.loads(said)
        error = error.get("error", error)
        text = str(error["message"] if isinstance(error, dict) else error)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        text = said.decode(errors="replace")
    return " ".join(text.split())[:_LONGEST] or "it does not say why"
