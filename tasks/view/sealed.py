"""What surrounds every reply: a page of another site can neither read it, nor frame it, nor draw it in.

The server listens on the loopback address and asks for no key, so it answers only requests that name a loopback host
(a name of an attacker's that points here does not), only GET and HEAD, and only a browser's navigation from elsewhere.
What a form here changes is asked for by a page of this very address alone, as the browser says: `Sec-Fetch-Site`, and
where a browser does not send it, `Origin`. A request that says neither is refused.
"""

from __future__ import annotations

import re
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CHANGES = re.compile(r"/data/suspects/[^/]+/say")
HOSTS = ("127.0.0.1", "localhost")
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Pages that lie in the home bring style and script along; they run with no origin, so that they reach nothing here.
KEPT = "sandbox allow-scripts; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'none'"
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


def sealed(app: ASGIApp) -> ASGIApp:
    """The application behind both checks."""
    return TrustedHostMiddleware(Sealed(app), allowed_hosts=list(HOSTS), www_redirect=False)


class Sealed:
    """Refuses what may not ask; adds the headers and the time that the reply took, in ms."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers["Server-Timing"] = f"total;dur={1000 * (time.perf_counter() - began):.1f}"
            await send(message)

        if why := _refused(scope):
            await PlainTextResponse(why, 405 if "GET" in why else 403)(scope, receive, answer)
        else:
            await self.app(scope, receive, answer)


def _refused(scope: Scope) -> str:
    headers = Headers(scope=scope)
    if scope["method"] == "POST" and _CHANGES.fullmatch(scope["path"]):
        return "" if _own(headers) else "only a form of this very address may change anything here"
    if scope["method"] not in ("GET", "HEAD"):
        return "only GET and HEAD: nothing is changed here"
    if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
        return "another site's page may link here and read nothing"
    return ""


def _own(headers: Headers) -> bool:
    """Whether the request comes from a page of this address; a browser lets no page say so of itself."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if origin not in (None, "null") and origin != f"http://{headers.get('host')}":
        return False
    return site == "same-origin" if site is not None else origin not in (None, "null")
