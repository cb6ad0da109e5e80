"""A call that brought no reply: what it means and what to do about it, in one vocabulary for all providers.

Faults are told by what errors carry (`status_code`, `response`, `code`), by what servers say and by the names of
errors, so that no provider's package is imported here.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from errno import ECONNREFUSED, EHOSTUNREACH, ENETUNREACH
from time import time
from typing import Any

from tasks.clients.body import Complaint, NoAnswer, complaint
from tasks.clients.secrets import redact


@dataclass(frozen=True, slots=True)
class Fault:
    """A call that brought no reply. `retry` and `refused` speak of this request, `stop` of all requests."""

    error: str
    detail: str
    retry: bool = False
    refused: bool = False
    stop: bool = False
    retry_after: float | None = None
    hint: str = ""

    @property
    def load(self) -> bool:
        """True if the teacher had too much to do."""
        return self.error in ("http 429", "http 503", "http 529")

    @property
    def unreachable(self) -> bool:
        """True if no server was met at all: until one was, it is true of every request."""
        return self.error == "unreachable"


class TeacherError(Exception):
    """A provider's error where its package has none of its own: status, code and headers.

    `throttles` are codes that this provider alone means as "slow down"; elsewhere they mean an empty account.
    """

    def __init__(self, message: str, *, status: int | None = None, code: str = "", headers: Mapping[str, str] = {}):
        self.status_code, self.code, self.headers = status, code, headers
        super().__init__(message)


class Unfinished(Exception):
    """A reply that came, and was perhaps paid for, but is not whole: `error` is its fault's name."""

    def __init__(self, error: str, detail: str) -> None:
        self.error = error
        super().__init__(detail)


_RETRIED = {408, 409, 425, 429}
_STOPS = {401, 402, 403, 404}  # a wrong key, an empty account, a model that is not there: true of every request
_REFUSES = {400, 403, 422, 451}
_FILTERED = re.compile(r"content_filter|content_policy|data_?inspection_?failed|\b1301\b|input was flagged|moderation")
# What a code alone decides. DashScope's SDK calls whatever goes wrong inside a stream a 400.
_BUSY = re.compile(
    r"^(throttling|limit_|rate_?limit|too_?many|overloaded|server_?overload|engine_overloaded|130[235]\b)"
)
_DOWN = re.compile(
    r"^(internal_?(server_?)?error|service_?unavailable|system_?error|model_?service_?failed|model_?serving_?error|"
    r"model_?unavailable|bad_?gateway|network_?error|server_?error|\S*time_?out)"
)
# What a message decides as well, where the status does not say
_ACCOUNT = re.compile(
    r"arrear|overdue|(insufficient|no)[_ ](balance|credits?|funds)\b|credit balance is too low|billing_hard_limit|"
    r"exceeded_current_quota_error|freetieronly|"
    r"\bunpurchased|not_?purchased|\b1113\b|欠费|余额不足"
)
_QUOTA = re.compile(r"insufficient_quota")
_KEY = re.compile(
    r"(invalid|incorrect|wrong|missing)[_ ]?api[_ -]?key|api[_ -]?key( is)? (not valid|invalid|expired)|"
    r"authentication|unauthorized|无效的令牌|身份验证"
)
_MODEL = re.compile(
    r"model[_ .]?not[_ ]?(found|exist|supported)|no such model|unknown model|invalid model|not a valid model|"
    r"model\b.{0,80}\b(does not exist|not exist|not found|is not supported)|模型.{0,40}不存在|\b1211\b"
)
_LOAD_SAID = re.compile(r"rate limit|too many requests|\bqps\b|request limit reached|overloaded|请求过多|限流")
_ALIYUN = re.compile(r"aliyun|alibabacloud|dashscope")
_PARAMETER = "enable_thinking"


def fault(error: Exception) -> Fault:
    """What an error of a call means. An error that is none of the call's is raised again."""
    if isinstance(error, Unfinished):
        return Fault(error.error, redact(str(error)), retry=True)
    if isinstance(error, NoAnswer):
        return _no_answer(error)
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return _by_status(status, error)
    names = {kind.__name__ for one in _chain(error) for kind in type(one).__mro__}
    detail = redact(f"{type(error).__name__}: {error}")
    if why := _unreachable(error):
        return Fault("unreachable", redact(why), retry=True)
    if names & {"APITimeoutError", "Timeout", "TimeoutError", "TimeoutException"}:
        return Fault("timeout", detail, retry=True)
    if names & {"APIConnectionError", "ConnectionError", "TransportError", "RequestException", "OSError"}:
        return Fault("connection", detail, retry=True)
    if "TeacherError" in names or names & {"ValueError", "TypeError", "LookupError", "AttributeError", "APIError"}:
        return Fault("malformed reply", detail, retry=True)  # a 200 whose body is no chat completion
    raise error


def remedy(name: str) -> str:
    """What to do about faults of this name (`Fault.error`) that stayed."""
    status = name.removeprefix("http ")
    if status in ("400", "413", "422"):
        return "the server does not take such a request: set what it names right (model, max_tokens, temperature …)"
    if status in ("429", "503", "529"):
        return "ask fewer at once: workers, requests_per_minute, tokens_per_minute as the account allows"
    if status.isdigit():
        return "the server fails by itself: run again when it is well"
    return {
        "unreachable": "see that the address is right and its server runs",
        "timeout": "raise timeout, or lower workers so that each reply has less to wait for",
        "connection": "see to the server, and to what stands between: a proxy, a firewall",
        "web page": "set base_url to the API's own address (many end in /v1); a proxy or a login may stand between",
        "malformed reply": "set base_url to an address that speaks the teacher's protocol (many end in /v1)",
        "unfinished reply": "see to the server, which ends replies before they are whole",
        "damaged reply": "see to the server: it cuts characters, often where it streams or decodes token by token",
        "empty": "raise max_tokens if the model thinks first, or see why it says nothing",
    }.get(name, "see to the teacher")


def _no_answer(error: NoAnswer) -> Fault:
    """A 200 that holds no reply; where it holds an error, what that says decides."""
    if error.page:
        return Fault("web page", redact(error.complaint.message), retry=True)
    told = _by_words(error.complaint, 200, "")
    return told or Fault("malformed reply", redact(_detail(200, error.complaint)), retry=True)


def _by_status(status: int, error: Exception) -> Fault:
    response = getattr(error, "response", None)
    headers: Mapping[str, str] = getattr(error, "headers", None) or getattr(response, "headers", None) or {}
    said, address = _said(error, response), str(getattr(getattr(error, "request", None), "url", ""))
    detail, name = redact(_detail(status, said)), f"http {status}"
    words = f"{said.code} {said.message}".lower()
    if status in _REFUSES and _FILTERED.search(words):
        return Fault("filtered", detail, refused=True)
    if 300 <= status < 400:
        where = headers.get("location") or "elsewhere"
        return Fault(name, f"{status}: the address has moved to {redact(where)}", stop=True, hint="set base_url to it")
    ours = isinstance(error, TeacherError) or _ALIYUN.search(f"{address} {words}") or "/compatible-mode/" in address
    if _QUOTA.search(words) and not ours:
        return Fault(name, detail, stop=True, hint="see to the account: its quota is used up")
    if status == 400 and (told := _by_words(said, status, words)):
        return told
    if _ACCOUNT.search(words):
        return Fault(name, detail, stop=True, hint="see to the account: it cannot pay")
    if status in _STOPS:
        return Fault(name, detail, stop=True)
    if status in _RETRIED or status >= 500:
        return Fault(name, detail, retry=True, retry_after=_retry_after(headers))
    return Fault(name, detail)


def _by_words(said: Complaint, status: int, words: str) -> Fault | None:
    """What codes and messages decide where the status does not: within a 200, and in a 400."""
    words = words or f"{said.code} {said.message}".lower()
    codes, detail = said.code.lower(), redact(_detail(status, said))
    if _FILTERED.search(words):
        return Fault("filtered", detail, refused=True)
    if _PARAMETER in words or "only support stream mode" in words:
        return Fault(f"http {status}", detail, stop=True, hint=_thinking(words))
    if _BUSY.search(codes):
        return Fault("http 429", detail, retry=True)
    if _DOWN.search(codes):
        return Fault("http 500", detail, retry=True)
    if _ACCOUNT.search(words):
        return Fault(f"http {status}", detail, stop=True, hint="see to the account: it cannot pay")
    if _KEY.search(words) or re.search("access_?denied", codes):
        return Fault(f"http {status}", detail, stop=True, hint="set the key right")
    if _MODEL.search(words):
        return Fault(f"http {status}", detail, stop=True, hint="set model to a name that this server knows")
    if status == 200 and _LOAD_SAID.search(words):
        return Fault("http 429", detail, retry=True)
    return None


def _thinking(words: str) -> str:
    if "false" in words:
        return "set thinking = false: this model thinks only where replies are streamed"
    if re.search(r"true|only support stream mode", words):
        return "thinking = true is missing: this model always thinks"
    return "leave thinking away: this model has no such choice"


def _said(error: Exception, response: Any) -> Complaint:
    """What the server says, from its body where there is one."""
    if response is not None:
        return complaint(response.content, response.headers.get("content-type", ""))
    return Complaint(str(getattr(error, "code", "") or ""), str(error))


def _detail(status: int, said: Complaint) -> str:
    return f"{status} {said.code}: {said.message}" if said.code else f"{status}: {said.message}"


def _unreachable(error: Exception) -> str:
    """Why no server was met, "" if one was, or might have been."""
    for one in _chain(error):
        if isinstance(one, socket.gaierror):
            return f"its name is not known: {one.strerror or one}"
        if isinstance(one, OSError) and one.errno in (ECONNREFUSED, ENETUNREACH, EHOSTUNREACH):
            return f"the connection is refused: {one.strerror or one}"
        name = type(one).__name__
        if name == "SSLCertVerificationError":
            return f"its certificate is not trusted: {one}"
        if name in ("ConnectTimeout", "ConnectTimeoutError"):
            return "no connection in time: nothing answers there"
        if name in ("UnsupportedProtocol", "InvalidURL", "MissingSchema", "InvalidSchema"):
            return f"it is no address: {one}"
        if name == "ProxyError" and "onnection" not in str(one):  # the proxy itself answered, and would not
            return f"the proxy does not let it through: {one}"
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it comes from, whichever way its library keeps that."""
    seen: list[BaseException] = []
    todo: list[Any] = [error]
    while todo and len(seen) < 16:
        one = todo.pop(0)
        if isinstance(one, BaseException) and one not in seen:
            seen.append(one)
            todo += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
            yield one


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from either of the header's two forms; a date is held against the server's own clock."""
    told = {name.lower(): text for name, text in headers.items()}
    if (value := told.get("retry-after")) is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        try:
            now = parsedate_to_datetime(told["date"]).timestamp() if "date" in told else time()
            return max(0.0, parsedate_to_datetime(value).timestamp() - now)
        except ValueError:
            return None
