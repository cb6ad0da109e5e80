"""A small engine where vLLM does not install: `python -m tasks.serve.transformers_server BASE SOCKET DTYPE CONTEXT`.

It speaks as much of vLLM's HTTP as the front asks for (`tasks.serve.engines`). One model at a time is in memory:
the base, or the base with one adapter's weights added. What waits for the same model is generated in one batch. A
stream brings each reply whole, in one event. What it cannot do is refused (`tasks.serve.abilities`).
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as Asked
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tasks.engines.interface import Completion, Loading, Reader, Request
from tasks.engines.open import open_engine
from tasks.runtime import worker
from tasks.serve.abilities import unable

_BATCH = 64
_FINISH = {"stop": "stop", "length": "length"}


class Refused(Exception):
    """The request is at fault, in its field `param` where one is named."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class Server:
    """One engine and the thread that it runs in."""

    def __init__(self, base: str, dtype: str, context: int) -> None:
        self.adapters: dict[str, Path] = {}
        self.loading = Loading(base, self.adapters, dtype=dtype, max_model_len=context or None)
        self.engine: Any = open_engine("transformers", self.loading)
        self.thread = ThreadPoolExecutor(1)
        self.waiting: list[tuple[Request, asyncio.Future[Completion]]] = []
        self.some = asyncio.Event()
        self.numbers = itertools.count()
        self.served = 0

    async def run(self) -> None:
        """Generate what waits, batch by batch, for as long as the server lives."""
        while True:
            await self.some.wait()
            subject = self.waiting[0][0].subject
            batch = [one for one in self.waiting if one[0].subject == subject][:_BATCH]
            self.waiting = [one for one in self.waiting if one not in batch]
            if not self.waiting:
                self.some.clear()
            await self._generate([one for one in batch if not one[1].cancelled()])

    async def _generate(self, batch: list[tuple[Request, asyncio.Future[Completion]]]) -> None:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self.thread, lambda: list(self.engine.generate([r for r, _ in batch])))
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(Refused(f"{type(error).__name__} while it was generated"))
            return
        by_key = {completion.key: completion for completion in found}
        for request, future in batch:
            if not future.done():
                future.set_result(by_key[request.key])

    def reader(self, subject: str) -> Reader:
        """The tokenizer of a model. Refused if there is no such model."""
        if subject not in self.engine.readers:
            raise Refused(f"there is no model {subject!r}")
        found: Reader = self.engine.readers[subject]
        return found

    def load(self, name: str, folder: Path) -> None:
        """Get to know an adapter; its weights are read when it is asked for."""
        from tasks.engines import weights

        self.adapters[name] = folder
        self.engine.readers |= weights.readers(self.loading, self.engine.readers["base"].context)

    def prompt(self, subject: str, body: Mapping[str, Any]) -> str:
        """Messages as the template of the request, or the model's own, renders them. Refused if it cannot."""
        tokenizer = self.reader(subject).tokenizer
        template = {"chat_template": body["chat_template"]} if body.get("chat_template") else {}
        try:
            text: str = tokenizer.apply_chat_template(
                body["messages"],
                tokenize=False,
                add_generation_prompt=True,
                **template,
                **(body.get("chat_template_kwargs") or {}),
            )
        except Exception as error:  # a template raises what it likes
            raise Refused(f"the chat template refuses the messages: {error}") from None
        return text

    async def replies(self, body: Mapping[str, Any], prompt: str) -> tuple[list[Completion], int]:
        """`n` replies, and the prompt's tokens. Refused for what this engine cannot do, and a prompt without room."""
        subject = body["model"]
        reader = self.reader(subject)
        if field := unable(body, reader.stops):
            raise Refused(f"{field} cannot be served: this server runs without vLLM", field)
        tokens = len(reader.tokenizer(prompt, add_special_tokens=False)["input_ids"])
        most = body.get("max_tokens") or body.get("max_completion_tokens") or reader.context
        if tokens >= reader.context:
            raise Refused(f"the prompt has {tokens} tokens, the context {reader.context}")
        heat, top_p = _number(body, "temperature", 1.0, 0, 10), _number(body, "top_p", 1.0, 0, 1)
        seed = int(_number(body, "seed", time.time_ns() % (1 << 31), 0, 1 << 62))
        requests = [
            Request(str(next(self.numbers)), subject, prompt, int(most), heat, top_p or 1.0, seed + i)
            for i in range(body.get("n") or 1)
        ]
        futures = [asyncio.get_running_loop().create_future() for _ in requests]
        self.waiting += zip(requests, futures, strict=True)
        self.some.set()
        self.served += 1
        keep = bool(body.get("include_stop_str_in_output"))
        return [_cut(reply, body.get("stop"), keep=keep) for reply in await asyncio.gather(*futures)], tokens


def application(server: Server) -> Starlette:
    """The part of vLLM's HTTP that the front uses."""

    async def chat(asked: Asked) -> Response:
        body = orjson.loads(await asked.body())
        return await _answer(server, body, server.prompt(body["model"], body), chat=True)

    async def completions(asked: Asked) -> Response:
        body = orjson.loads(await asked.body())
        prompt = body.get("prompt")
        if isinstance(prompt, list) and prompt and all(type(token) is int for token in prompt):
            prompt = server.reader(body["model"]).tokenizer.decode(prompt)
        if not isinstance(prompt, str) or not prompt:
            raise Refused("prompt is a text or a list of tokens")
        return await _answer(server, body, prompt, chat=False)

    async def tokenize(asked: Asked) -> Response:
        body = orjson.loads(await asked.body())
        text = server.prompt(body["model"], body)
        return _json({"tokens": server.reader(body["model"]).tokenizer(text, add_special_tokens=False)["input_ids"]})

    async def load(asked: Asked) -> Response:
        body = orjson.loads(await asked.body())
        await asyncio.get_running_loop().run_in_executor(
            server.thread, server.load, body["lora_name"], Path(body["lora_path"])
        )
        return _json({})

    async def health(asked: Asked) -> Response:
        return _json({})

    async def metrics(asked: Asked) -> Response:
        name = "ponens_replies_total"
        said = f"# HELP {name} Requests answered.\n# TYPE {name} counter\n{name} {server.served}\n"
        return Response(said, media_type="text/plain; version=0.0.4")

    async def refused(asked: Asked, error: Exception) -> JSONResponse:
        told = {"message": str(error), "type": "invalid_request_error", "param": getattr(error, "param", None)}
        return JSONResponse({"error": told}, 400)

    posts = {
        "/v1/chat/completions": chat,
        "/v1/completions": completions,
        "/tokenize": tokenize,
        "/v1/load_lora_adapter": load,
    }
    gets = {"/health": health, "/metrics": metrics}
    routes = [Route(path, call, methods=["POST"]) for path, call in posts.items()]
    return Starlette(routes=[*routes, *(Route(p, c) for p, c in gets.items())], exception_handlers={Refused: refused})


async def _answer(server: Server, body: Mapping[str, Any], prompt: str, *, chat: bool) -> Response:
    replies, tokens = await server.replies(body, prompt)
    drawn = sum(reply.tokens for reply in replies)
    usage = {"prompt_tokens": tokens, "completion_tokens": drawn, "total_tokens": tokens + drawn}
    kind = "chat.completion" if chat else "text_completion"
    told = {"id": f"{kind}-{next(server.numbers)}", "created": int(time.time()), "model": body["model"]}
    if not body.get("stream"):
        choices = [_choice(i, reply, "message" if chat else "") for i, reply in enumerate(replies)]
        return _json({**told, "object": kind, "choices": choices, "usage": usage})
    wanted = usage if (body.get("stream_options") or {}).get("include_usage") else None
    chunk = {**told, "object": f"{kind}.chunk" if chat else kind}
    choices = [_choice(i, reply, "delta" if chat else "") for i, reply in enumerate(replies)]
    return StreamingResponse(_events(chunk, choices, wanted), media_type="text/event-stream")


async def _events(
    chunk: dict[str, Any], choices: list[dict[str, Any]], usage: Mapping[str, int] | None
) -> AsyncIterator[bytes]:
    for choice in choices:
        yield b"data: " + orjson.dumps({**chunk, "choices": [choice]}) + b"\n\n"
    if usage:
        yield b"data: " + orjson.dumps({**chunk, "choices": [], "usage": usage}) + b"\n\n"
    yield b"data: [DONE]\n\n"


def _choice(index: int, reply: Completion, part: str) -> dict[str, Any]:
    said: dict[str, Any] = {part: {"role": "assistant", "content": reply.text}} if part else {"text": reply.text}
    return {"index": index, **said, "finish_reason": _FINISH.get(reply.finish, "stop"), "logprobs": None}


def _cut(reply: Completion, stop: object, *, keep: bool) -> Completion:
    """The reply up to the first of the texts that end it, which is left out unless it is to be kept."""
    stops = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    places = [
        (at, at + len(text) * keep)
        for text in stops
        if isinstance(text, str) and text and (at := reply.text.find(text)) >= 0
    ]
    return Completion(reply.key, reply.text[: min(places)[1]], "stop", reply.tokens) if places else reply


def _number(body: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise Refused(f"{name} is a number from {low} to {high}")
    return value


def _json(content: object) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")


async def _serve(base: str, socket: str, dtype: str, context: int) -> None:
    server = Server(base, dtype, context)
    running = asyncio.create_task(server.run())
    app = application(server)
    config = uvicorn.Config(app, uds=socket, log_level="warning", access_log=False, lifespan="off")
    await uvicorn.Server(config).serve()
    running.cancel()


if __name__ == "__main__":
    worker.watch(group=True)
    asyncio.run(_serve(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
