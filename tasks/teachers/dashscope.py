"""Qwen through the dashscope SDK in its native protocol, as a LangChain chat model.

Our own, because the community's ChatTongyi loses token counts and Retry-After and knows one URL
for the whole process. Thinking models answer only as a stream, so with thinking on this one streams.
"""

from __future__ import annotations

import http.client
import io
import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import requests
from dashscope.aigc.generation import Generation
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr, SecretStr
from urllib3.exceptions import TimeoutError as Urllib3Timeout

from tasks.clients.body import answer, complaint
from tasks.clients.deadline import left
from tasks.clients.faults import TeacherError, Unfinished
from tasks.clients.reply import text_in, thought_in
from tasks.teachers.chat_model import DirectChat

_ROLES = {"human": "user", "ai": "assistant", "system": "system"}
# the SDK logs a traceback for every failed call; ours are told by class, and retried
logging.getLogger("dashscope").setLevel(logging.CRITICAL)


class Again(Exception):
    """The SDK wanted to send a request a second time."""


class _Session(requests.Session):
    """One call of the SDK is one request: what it would send again by itself, behind the ledger's back, is not sent.

    The SDK (2.0.2) repeats a POST whose connection breaks before the reply is whole. It is told of breaks in other
    words than the ones it listens for; should it come to listen for all, the second request is still refused here.
    Answers that are no success are read here too, for the SDK knows no other encoding than UTF-8, and a redirect is not
    followed, for that is another request.
    """

    def __init__(self) -> None:
        super().__init__()
        self._call = threading.local()

    @contextmanager
    def once(self) -> Iterator[None]:
        """Let this thread send one request in the block."""
        self._call.sent = False
        yield

    def request(self, *args: Any, **kwargs: Any) -> Any:
        if getattr(self._call, "sent", False):
            raise Again("dashscope sends a request again by itself")
        self._call.sent = True
        kwargs["allow_redirects"] = False
        try:
            response = super().request(*args, **kwargs)
            _check(response)
        except requests.exceptions.RequestException as error:
            raise _broken(error) from error
        return response


def _check(response: requests.Response) -> None:
    """TeacherError for a status that is no success, NoAnswer for a 200 that holds no reply."""
    kind = response.headers.get("content-type", "")
    if response.status_code != 200:
        said = complaint(response.content, kind)
        raise TeacherError(said.message, status=response.status_code, code=said.code, headers=response.headers)
    if "text/event-stream" not in kind:
        answer(response.content, kind, "output")


def _broken(error: requests.exceptions.RequestException) -> OSError:
    """TimeoutError or ConnectionError; requests calls a body that stops coming a broken connection."""
    late = isinstance(error, requests.exceptions.Timeout) or isinstance(next(iter(error.args), None), Urllib3Timeout)
    return TimeoutError(str(error)) if late else ConnectionError(str(error))


class _Raw(io.RawIOBase):
    """A socket's file whose every read is given what is left of the call."""

    def __init__(self, sock: Any, raw: Any) -> None:
        self._sock, self._raw = sock, raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(left(self._sock.gettimeout()))
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Raw(sock, self.fp.detach()))


def timed(pool: Any) -> Any:
    """A class of connection pools, straight or through SOCKS, whose reads are given what is left of the call."""
    connection = pool.ConnectionCls
    if connection.response_class is _Response:
        return pool
    own = type(f"Timed{connection.__name__}", (connection,), {"response_class": _Response})
    return type(f"Timed{pool.__name__}", (pool,), {"ConnectionCls": own})


class _Adapter(requests.adapters.HTTPAdapter):
    """Connections on which a server that drips cannot outlast the call."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._time(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        self._time(manager)
        return manager

    def _time(self, manager: Any) -> None:
        pools = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {scheme: timed(pool) for scheme, pool in pools.items()}


class QwenChat(DirectChat):
    """One model of one DashScope endpoint. Keys travel in a header and are never shown."""

    model: str
    key: SecretStr
    base_url: str
    timeout: float = 120.0
    connections: int = 32
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    thinking: bool | None = None
    thinking_budget: int | None = None
    _session: Any = PrivateAttr(default=None)

    def model_post_init(self, context: Any) -> None:
        super().model_post_init(context)
        self._session = _Session()
        adapter = _Adapter(pool_connections=4, pool_maxsize=self.connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    @property
    def _llm_type(self) -> str:
        return "dashscope"

    def close(self) -> None:
        """Close its connections."""
        self._session.close()

    def reply(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        """One call of the SDK."""
        sampling = {
            "enable_thinking": self.thinking,
            "thinking_budget": self.thinking_budget if self.thinking else None,
        }
        try:
            with self._session.once():
                answered = Generation.call(
                    model=self.model,
                    messages=[{"role": _ROLES[m.type], "content": str(m.text)} for m in messages],
                    api_key=self.key.get_secret_value(),
                    base_address=self.base_url,
                    session=self._session,
                    request_timeout=self.timeout,
                    result_format="message",
                    stop=stop,
                    max_tokens=self.max_tokens,
                    temperature=self.temperature,
                    top_p=self.top_p,
                    seed=kwargs.get("seed"),
                    **sampling,
                    **({"stream": True, "incremental_output": True} if self.thinking else {}),
                )
                return _streamed(answered) if self.thinking else _result([_part(answered)])
        except requests.exceptions.RequestException as error:  # the pieces of a stream are read only here
            raise _broken(error) from error


class _Part(NamedTuple):
    text: str
    reasoning: str
    finish: str
    usage: Any


def _part(answer: Any) -> _Part:
    """A whole reply or a piece of one. Models that know no `result_format` put their text right into the output."""
    if answer.status_code != 200:
        code, headers = str(answer.code or ""), answer.headers or {}
        if code == "Unknown":  # the SDK's own word for a piece of a stream that is no JSON
            raise Unfinished("unfinished reply", str(answer.message))
        raise TeacherError(str(answer.message), status=int(answer.status_code), code=code, headers=headers)
    output, usage = answer.output or {}, answer.usage or {}
    try:
        if choices := output.get("choices"):
            said = choices[0]["message"]
            return _Part(text_in(said), thought_in(said), choices[0].get("finish_reason") or "", usage)
        if isinstance(text := output.get("text"), str):
            return _Part(text, "", output.get("finish_reason") or "", usage)
    except (AttributeError, LookupError, TypeError):
        pass
    raise TeacherError(f"a reply without choices: {str(output)[:200]}")


def _streamed(parts: Iterable[Any]) -> ChatResult:
    found = [_part(part) for part in parts]
    if not found or found[-1].finish in ("", "null"):
        raise TeacherError("the stream ended before the reply did")
    return _result(found)


def _result(parts: list[_Part]) -> ChatResult:
    reasoning = "".join(part.reasoning for part in parts)
    message = AIMessage(
        content="".join(part.text for part in parts),
        additional_kwargs={"reasoning_content": reasoning} if reasoning else {},
        response_metadata={
            "finish_reason": next((part.finish for part in reversed(parts) if part.finish), ""),
            "token_usage": next((dict(part.usage) for part in reversed(parts) if part.usage), None),
        },
    )
    return ChatResult(generations=[ChatGeneration(message=message)])
