"""Replies that come in pieces, and clients that leave before the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tasks.serve.errors import Refusal

T = TypeVar("T")


class Stream(StreamingResponse):
    """A stream of events; the engine hears at once when its client leaves."""

    def __init__(self, stack: AsyncExitStack, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._stack.aclose()


async def unless_left(request: Request, work: Awaitable[T]) -> T:
    """The work's result; it is cancelled, and the engine with it, if the client leaves before."""
    doing = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(request.receive())  # the body was read: only a farewell can come
    try:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise Refusal(400, "the client left")
        return doing.result()
    finally:
        doing.cancel()
        leaving.cancel()


async def chunks(stream: AsyncIterator[bytes]) -> AsyncIterator[dict[str, Any]]:
    """The JSON of each event of a stream."""
    rest = b""
    async for part in stream:
        *events, rest = (rest + part).split(b"\n\n")
        for event in events:
            data = event.removeprefix(b"data:").strip()
            if data and data != b"[DONE]":
                found = orjson.loads(data)
                if "choices" not in found:
                    return
                yield found
