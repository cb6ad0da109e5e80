"""Who may ask, and how much: key, host, size, number of requests at once. An ASGI layer before everything else.

Keys are compared in constant time. Without a key the server listens on the loopback address alone, and then only
requests that name a loopback host pass: a page in a browser cannot reach it under a name of its own.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tasks.serve.errors import Refusal

_PORT = re.compile(r":[0-9]+$")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_OPEN = ("/health", "/ready")  # whoever starts and stops servers asks these
_LORAX = ("/", "/generate", "/generate_stream")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request and all at once may take."""

    body: int = 4 << 20
    requests: int = 512
    seconds_to_send: float = 30.0
    seconds_to_read: float = 120.0


class Guard:
    """Lets a request through to `app`, its body read, or answers it."""

    def __init__(self, app: ASGIApp, key: str | None, limits: Limits) -> None:
        self.app, self.limits = app, limits
        self._key = key.encode() if key else None
        self.flying = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        open_ = scope["path"] in _OPEN
        if not open_ and self.flying >= self.limits.requests:
            await self._refuse(Refusal(429, "too many requests at once", after=1), scope, receive, send)
            return
        self.flying += not open_
        try:
            if not open_:
                self._admit(Headers(scope=scope))
            scope["ponens.body"] = await self._body(scope, receive)
            await self.app(scope, receive, self._patient(send))
        except Refusal as refusal:
            await self._refuse(refusal, scope, receive, send)
        except TimeoutError:
            pass  # it reads so slowly that its place is given to another
        finally:
            self.flying -= not open_

    def _admit(self, headers: Headers) -> None:
        if self._key is None:
            if _PORT.sub("", headers.get("host", "")).strip("[]") not in LOOPBACK:
                raise Refusal(403, "without a key this server answers on its loopback address alone", code="host")
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), self._key):
            raise Refusal(401, "the key is missing or wrong", code="invalid_api_key")

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        if scope["method"] != "POST":
            return b""
        headers = Headers(scope=scope)
        told = headers.get("content-length", "0")
        if told.isdecimal() and int(told) > self.limits.body:
            raise self._too_large()
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refusal(415, "send JSON, with Content-Type: application/json")
        try:
            async with asyncio.timeout(self.limits.seconds_to_send):
                return await self._read(receive)
        except TimeoutError:
            raise Refusal(408, "the request took too long to arrive") from None

    async def _read(self, receive: Receive) -> bytes:
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "the request broke off")
            parts.append(message.get("body", b""))
            if (size := size + len(parts[-1])) > self.limits.body:
                raise self._too_large()
            if not message.get("more_body"):
                return b"".join(parts)

    def _too_large(self) -> Refusal:
        return Refusal(413, f"a request has at most {self.limits.body:,} bytes")

    def _patient(self, send: Send) -> Send:
        async def within(message: Message) -> None:
            async with asyncio.timeout(self.limits.seconds_to_read):
                await send(message)

        return within

    async def _refuse(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(refusal, scope["path"])(scope, receive, send)


def answer(refusal: Refusal, path: str) -> JSONResponse:
    """A refusal in the form that clients of this path read."""
    content = refusal.lorax() if path in _LORAX else refusal.openai()
    return JSONResponse(content, refusal.status, refusal.headers)
