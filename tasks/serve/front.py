"""What clients talk to: an ASGI application between them and the engine.

    /v1/chat/completions  /v1/completions  /v1/models      OpenAI's
    /generate  /generate_stream  /                         LoRAX's
    /health  /ready  /metrics                              those who run it

Names are resolved at each request, so an alias that moves is seen by the next one; what is in flight ends on the
version it began with. What the engine sends is passed on as it comes.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from tasks.serve import lorax, vote
from tasks.serve import request as asking
from tasks.serve.access import Guard, Limits, answer
from tasks.serve.engine_client import Link
from tasks.serve.errors import Refusal, down
from tasks.serve.model import Model
from tasks.serve.streams import Stream, chunks, unless_left

log = logging.getLogger("ponens")

_CHAT, _COMPLETIONS = "/v1/chat/completions", "/v1/completions"
_JSON = "application/json"


def application(link: Link, key: str | None, limits: Limits) -> ASGIApp:
    """The whole server of one engine."""
    front = Front(link)
    routes = [
        Route(_CHAT, front.chat, methods=["POST"]),
        Route(_COMPLETIONS, front.completions, methods=["POST"]),
        Route("/v1/models", front.models),
        Route("/v1/models/{name:path}", front.model),
        Route("/generate", front.generate, methods=["POST"]),
        Route("/generate_stream", front.generate_stream, methods=["POST"]),
        Route("/", front.generate_root, methods=["POST"]),
        Route("/health", front.health),
        Route("/ready", front.ready),
        Route("/metrics", front.metrics),
    ]
    handlers: dict[Any, Any] = {Refusal: _refused, HTTPException: _http, Exception: _failed}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), key, limits)


class Front:
    """The endpoints."""

    def __init__(self, link: Link) -> None:
        self.link = link

    async def chat(self, request: Request) -> Response:
        """A chat completion, voted on if the request's "ponens" asks for votes."""
        body = _body(request)
        asking.checked(body)
        wish = asking.wish(body)
        model = self.link.catalogue.find(body.get("model"))
        like = self.link.catalogue.find(wish.like) if wish.like else model
        sent = asking.chat(_like(model, like), body, raw=wish.raw)
        question = None
        if wish.votes:
            question = vote.asked(like, asking.question(body["messages"]), body)
            sent = vote.drawn(sent, model, body, wish.votes)
        await self.link.ready(model)
        sent["model"] = self.link.engine_name(model)
        if question is None:
            return await self._relay(request, _CHAT, sent)
        reply = orjson.loads(await unless_left(request, self.link.told(_CHAT, sent)))
        return _sent(vote.counted(reply, question))

    async def completions(self, request: Request) -> Response:
        """A completion: of a question, which is asked as in a chat, or of a text that is rendered already."""
        body = _body(request)
        asking.checked(body)
        wish = asking.wish(body)
        if wish.votes:
            raise Refusal(400, f"votes are counted by {_CHAT}", param="ponens")
        prompt = asking.prompt(body)
        model = self.link.catalogue.find(body.get("model"))
        await self.link.ready(model)
        sent = {**body, **asking.sampling(model, body)}
        sent.pop("ponens", None)
        if isinstance(prompt, str) and not wish.raw:
            sent["prompt"] = await self._prompt(model, prompt)
        sent["model"] = self.link.engine_name(model)
        return await self._relay(request, _COMPLETIONS, sent)

    async def models(self, request: Request) -> Response:
        """All models, adapters by version and by alias."""
        return _sent({"object": "list", "data": self.link.catalogue.listing()})

    async def model(self, request: Request) -> Response:
        """One model by its name."""
        name = request.path_params["name"]
        found = next((card for card in self.link.catalogue.listing() if card["id"] == name), None)
        if found is None:
            self.link.catalogue.find(name)
            raise Refusal(404, "there is no such model", code="model_not_found", param="model")
        return _sent(found)

    async def generate_root(self, request: Request) -> Response:
        """LoRAX's one address for both: a list of one reply, or a stream if `stream` is true."""
        wanted = lorax.asked(_body(request))
        return await (self._streamed(request, wanted) if wanted.stream else self._generated(request, wanted, many=True))

    async def generate(self, request: Request) -> Response:
        """LoRAX's reply."""
        return await self._generated(request, lorax.asked(_body(request)), many=False)

    async def generate_stream(self, request: Request) -> Response:
        """LoRAX's reply, token by token."""
        return await self._streamed(request, lorax.asked(_body(request)))

    async def health(self, request: Request) -> Response:
        """200 while this server lives, whatever its engine does."""
        return _sent({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """200 while requests are answered. Refusal 503 else."""
        if not self.link.supervisor.ready:
            raise down(self.link.supervisor.after)
        return _sent({"status": "ready", "engine": self.link.supervisor.generation})

    async def metrics(self, request: Request) -> Response:
        """The engine's own figures, as Prometheus reads them."""
        try:
            async with self.link.supervisor.session.get("/metrics") as reply:
                return Response(await reply.read(), reply.status, media_type=reply.headers.get("Content-Type"))
        except (aiohttp.ClientError, OSError):
            raise down(self.link.supervisor.after) from None

    async def _prompt(self, model: Model, text: str) -> str | list[int]:
        """A question's prompt in tokens; a text that is rendered already, or the base's, as it is."""
        if model.name == self.link.catalogue.base.name or asking.rendered(model, text):
            return text
        messages = asking.introduced(model, asking.worded(model, [{"role": "user", "content": text}]))
        asked = {"model": self.link.engine_name(model), "messages": messages, **model.rendering}
        ids: list[int] = orjson.loads(await self.link.told("/tokenize", asked))["tokens"]
        return ids

    async def _relay(self, request: Request, path: str, sent: dict[str, Any]) -> Response:
        if not sent.get("stream"):
            said = await unless_left(request, self.link.told(path, sent))
            return Response(said, media_type=_JSON)
        stack = AsyncExitStack()
        reply = await unless_left(request, self._begun(stack, path, sent))
        return Stream(stack, self._passed(reply))

    async def _begun(self, stack: AsyncExitStack, path: str, sent: dict[str, Any]) -> aiohttp.ClientResponse:
        """A stream whose status is 200; `stack` closes it."""
        reply = await stack.enter_async_context(self.link.asked(path, sent))
        if reply.status != 200:
            said = await reply.read()
            await stack.aclose()
            raise await self.link.refused(reply.status, said)
        return reply

    async def _passed(self, reply: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The engine's stream as it comes; an error event where it breaks off."""
        try:
            async for chunk in reply.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError):
            self.link.supervisor.doubt()
            yield b"data: " + orjson.dumps(down(self.link.supervisor.after).openai()) + b"\n\n"

    async def _lorax(self, wanted: lorax.Asked) -> tuple[Model, dict[str, Any]]:
        model = self.link.catalogue.find(wanted.parameters.adapter_id)
        await self.link.ready(model)
        prompt = await self._prompt(model, wanted.inputs)
        base, tokens = self.link.catalogue.base, not self.link.catalogue.merges  # the small engine names no tokens
        sent = lorax.completion(model, wanted, prompt, base.context, tokens=tokens)
        return model, sent | {"model": self.link.engine_name(model)}

    async def _generated(self, request: Request, wanted: lorax.Asked, *, many: bool) -> Response:
        model, sent = await self._lorax(wanted)
        said = await unless_left(request, self.link.told(_COMPLETIONS, sent))
        found = lorax.generated(orjson.loads(said), wanted, model.marks)
        return _sent([found] if many else found)

    async def _streamed(self, request: Request, wanted: lorax.Asked) -> Response:
        model, sent = await self._lorax(wanted)
        sent |= {"stream": True, "stream_options": {"include_usage": True}}
        stack = AsyncExitStack()
        reply = await unless_left(request, self._begun(stack, _COMPLETIONS, sent))
        return Stream(stack, lorax.streamed(chunks(self._passed(reply)), wanted, model.marks))


def _like(model: Model, like: Model) -> Model:
    """The base asked in an adapter's words and system prompt, rendered by its own template."""
    if model is like:
        return model
    return Model(
        model.name, model.template, like.system, model.thinking, like.words, like.defaults, like.limit, model.stops,
        model.marks, like.choice,
    )  # fmt: skip


def _body(request: Request) -> dict[str, Any]:
    try:
        found = orjson.loads(request.scope["ponens.body"])
    except orjson.JSONDecodeError:
        raise Refusal(400, "the request is no JSON") from None
    if not isinstance(found, dict):
        raise Refusal(400, "the request is no JSON object")
    return found


def _sent(content: Any) -> Response:
    return Response(orjson.dumps(content), media_type=_JSON)


async def _refused(request: Request, refusal: Refusal) -> JSONResponse:
    return answer(refusal, request.url.path)


async def _http(request: Request, error: HTTPException) -> JSONResponse:
    return answer(Refusal(error.status_code, error.detail), request.url.path)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    log.error("serve: %s %s failed", request.method, request.url.path, exc_info=error)
    return answer(Refusal(500, "this server failed; its log says how"), request.url.path)
