"""What comes back from a teacher: a reply, or a fault and what to do about it.

One vocabulary for all providers. Faults are told by what errors carry (`status_code`, `response`,
`code`) and by their names, so that no provider's package is imported here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING, Any

from storage.ledger import Outcome, Tokens

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

_secrets: set[str] = set()  # keys in use, wherever they came from
_TOKENS = re.compile(r"(?i)(bearer\s+|\bsk-)[\w.*~+/=-]{6,}")


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as the provider gave it; `finish` is its own word for why it ended."""

    text: str
    reasoning: str = ""
    finish: str = ""
    refusal: str = ""
    tokens: Tokens = field(default_factory=Tokens)

    @property
    def outcome(self) -> Outcome:
        if self.refusal or self.finish in ("content_filter", "content_filtered"):
            return "refused"
        if self.finish in ("length", "max_tokens"):
            return "cut"
        return "answered" if self.text.strip() else "empty"


@dataclass(frozen=True, slots=True)
class Fault:
    """A call that brought no reply. `retry` and `refused` speak of this request, `stop` of all requests."""

    error: str
    detail: str
    retry: bool = False
    refused: bool = False
    stop: bool = False
    retry_after: float | None = None

    @property
    def load(self) -> bool:
        """True if the teacher had too much to do."""
        return self.error in ("http 429", "http 503", "http 529")


class TeacherError(Exception):
    """A provider's error where its package has none of its own: status, code and headers."""

    def __init__(self, message: str, *, status: int | None = None, code: str = "", headers: Mapping[str, str] = {}):
        self.status_code, self.code, self.headers = status, code, headers
        super().__init__(message)


def extract(message: AIMessage) -> Reply:
    """The reply in a LangChain message, whichever provider it came from."""
    extra, about = message.additional_kwargs, message.response_metadata
    usage: Mapping[str, Any] = message.usage_metadata or {}
    return Reply(
        text=redact(str(message.text)),
        reasoning=redact(str(extra.get("reasoning_content") or "")),
        finish=str(about.get("finish_reason") or ""),
        refusal=redact(str(extra.get("refusal") or "")),
        tokens=Tokens(
            sent=int(usage.get("input_tokens") or 0),
            out=int(usage.get("output_tokens") or 0),
            reasoning=int((usage.get("output_token_details") or {}).get("reasoning") or 0),
            cached=int((usage.get("input_token_details") or {}).get("cache_read") or 0),
        ),
    )


_RETRIED = {408, 409, 425, 429}
_STOPS = {401, 402, 403, 404}  # a wrong key, an empty account, a model that is not there: true of every request
_SPENT = ("insufficient_quota", "arrearage")
_FILTERED = ("content_filter", "content_policy", "datainspectionfailed", "data_inspection_failed")


def fault(error: Exception) -> Fault:
    """What an error of a call means. An error that is none of the call's is raised again."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return _by_status(status, error)
    causes = (error, error.__cause__)  # a client may call it a broken connection when the call's time is up
    names = {kind.__name__ for one in causes for kind in type(one).__mro__}
    detail = redact(f"{type(error).__name__}: {error}")
    if names & {"APITimeoutError", "Timeout", "TimeoutError", "TimeoutException"}:
        return Fault("timeout", detail, retry=True)
    if names & {"APIConnectionError", "ConnectionError", "TransportError", "RequestException", "OSError"}:
        return Fault("connection", detail, retry=True)
    if "TeacherError" in names or names & {"ValueError", "TypeError", "LookupError", "AttributeError", "APIError"}:
        return Fault("malformed reply", detail, retry=True)  # a 200 whose body is no chat completion
    raise error


def _by_status(status: int, error: Exception) -> Fault:
    response = getattr(error, "response", None)
    headers: Mapping[str, str] = getattr(error, "headers", None) or getattr(response, "headers", None) or {}
    code = f"{getattr(error, 'code', '') or ''} {getattr(error, 'type', '') or ''}".strip()
    detail = redact(f"{status} {code}: {error}")
    said = f"{code} {error}".lower()
    name = f"http {status}"
    if status in (400, 422) and any(word in said for word in _FILTERED):
        return Fault("filtered", detail, refused=True)
    if status in _STOPS or any(word in said for word in _SPENT):
        return Fault(name, detail, stop=True)
    if status in _RETRIED or status >= 500:
        return Fault(name, detail, retry=True, retry_after=_retry_after(headers))
    return Fault(name, detail)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from either of the header's two forms."""
    value = next((text for name, text in headers.items() if name.lower() == "retry-after"), None)
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time())
        except ValueError:
            return None


def guard(secret: str) -> None:
    """Have `redact` know a key from now on."""
    if len(secret) >= 6:
        _secrets.add(secret)


def redact(text: str) -> str:
    """The text without keys: those in use, and whatever looks like one."""
    for secret in _secrets:
        text = text.replace(secret, "***")
    return _TOKENS.sub(r"\1***", text) if "sk-" in text or "earer " in text else text
