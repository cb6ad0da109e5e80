"""What a server answers when it does not do what was asked: a status, a sentence for people, a word for programs.

Sentences leave the machine, so none holds a path; what is known of one stands in the server's log.
"""

from __future__ import annotations

import re
from typing import Any

from storage.records import PonensError

_PATH = re.compile(r"(?<![\w:/.])(?:/[\w.@+~-]+)+/([\w.@+~-]+)")
_TYPES = {
    401: "authentication_error", 403: "permission_error", 404: "not_found_error", 422: "unprocessable_entity_error",
    429: "rate_limit_error", 503: "service_unavailable_error",
}  # fmt: skip


class Refusal(Exception):
    """Ends a request with `status`; `after` are the seconds until asking again is worth it."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None, after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param, self.after = status, pathless(message), code, param, after

    @property
    def headers(self) -> dict[str, str]:
        found = {} if self.after is None else {"Retry-After": str(self.after)}
        return found | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})

    def openai(self) -> dict[str, Any]:
        """The body as OpenAI's clients read it."""
        kind = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def lorax(self) -> dict[str, Any]:
        """The body as LoRAX's client reads it."""
        kind = "overloaded" if self.status in (429, 503) else "validation" if self.status < 500 else "generation"
        return {"error": self.message, "error_type": kind}


def pathless(text: str) -> str:
    """The text with every absolute path cut down to its last part.

    >>> pathless("cannot read /home/me/.ponens/adapters/logic/3: gone")
    'cannot read 3: gone'
    """
    return _PATH.sub(r"\1", text)


def why(error: PonensError) -> str:
    """An error of the house in one line that may leave the machine."""
    seen = "" if error.seen is None else f" (seen: {str(error.seen).splitlines()[0][:200]})"
    return pathless(f"{error.thing}{seen}")


def down(after: int) -> Refusal:
    """The engine is not there; asked again after so many seconds it may be."""
    return Refusal(503, "the engine is starting; ask again", code="engine_starting", after=after)
