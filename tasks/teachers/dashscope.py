"""Qwen through the dashscope SDK in its native protocol, as a LangChain chat model.

Our own, because the community's ChatTongyi loses token counts and Retry-After and knows one URL
for the whole process. Thinking models answer only as a stream, so with thinking on this one streams.
"""

from __future__ import annotations

import http.client
import io
import logging
from collections.abc import Iterable
from typing import Any

import requests
from dashscope.aigc.generation import Generation
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr, SecretStr
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import TimeoutError as Urllib3Timeout

from tasks.teachers.deadline import left
from tasks.teachers.direct import DirectChat
from tasks.teachers.reply import TeacherError

BASE_URL = "https://dashscope.aliyuncs.com/api/v1"
_ROLES = {"human": "user", "ai": "assistant", "system": "system"}
# the SDK logs a traceback for every failed call; ours are told by class, and retried
logging.getLogger("dashscope").setLevel(logging.CRITICAL)


class _Session(requests.Session):
    """A session whose broken connections the SDK does not silently ask again."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().request(*args, **kwargs)
        except requests.exceptions.RequestException as error:
            raise _broken(error) from None


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


class _Http(HTTPConnection):
    response_class = _Response


class _Https(HTTPSConnection):
    response_class = _Response


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class _Adapter(requests.adapters.HTTPAdapter):
    """Connections on which a server that drips cannot outlast the call."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
        return manager


class QwenChat(DirectChat):
    """One model of one DashScope endpoint. Keys travel in a header and are never shown."""

    model: str
    key: SecretStr
    base_url: str = BASE_URL
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
        answer = Generation.call(
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
            enable_thinking=bool(self.thinking),
            thinking_budget=self.thinking_budget if self.thinking else None,
            seed=kwargs.get("seed"),
            **({"stream": True, "incremental_output": True} if self.thinking else {}),
        )
        try:
            return _result(answer if self.thinking else [answer])
        except requests.exceptions.RequestException as error:  # the pieces of a stream are read only here
            raise _broken(error) from None


def _result(parts: Iterable[Any]) -> ChatResult:
    """One message out of a whole reply or the pieces of a stream."""
    text = reasoning = finish = ""
    usage: Any = {}
    for part in parts:
        if part.status_code != 200:
            raise TeacherError(
                str(part.message), status=int(part.status_code), code=str(part.code or ""), headers=part.headers or {}
            )
        try:
            choice = part.output["choices"][0]
            text += choice["message"]["content"] or ""
            reasoning += choice["message"].get("reasoning_content") or ""
        except (KeyError, IndexError, TypeError):
            raise TeacherError(f"a reply without choices: {str(part.output)[:200]}") from None
        finish = choice.get("finish_reason") or finish
        usage = part.usage or usage
    if finish in ("", "null"):
        raise TeacherError("the stream ended before the reply did")
    message = AIMessage(
        content=text,
        additional_kwargs={"reasoning_content": reasoning} if reasoning else {},
        response_metadata={"finish_reason": finish},
        usage_metadata=_usage(usage),
    )
    return ChatResult(generations=[ChatGeneration(message=message)])


def _usage(usage: Any) -> UsageMetadata:
    made, sent = int(usage.get("output_tokens") or 0), int(usage.get("input_tokens") or 0)
    return UsageMetadata(
        input_tokens=sent,
        output_tokens=made,
        total_tokens=sent + made,
        input_token_details={"cache_read": int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)},
        output_token_details={
            "reasoning": int((usage.get("output_tokens_details") or {}).get("reasoning_tokens") or 0)
        },
    )
