"""Qwen through the dashscope SDK in its native protocol, as a LangChain chat model.

Our own, because the community's ChatTongyi loses token counts and Retry-After and knows one URL
for the whole process. Thinking models answer only as a stream, so with thinking on this one streams.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import requests
from dashscope.aigc.generation import Generation
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr, SecretStr

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
        except requests.exceptions.Timeout as error:
            raise TimeoutError(str(error)) from None
        except requests.exceptions.ConnectionError as error:
            raise ConnectionError(str(error)) from None


class QwenChat(BaseChatModel):
    """One model of one DashScope endpoint. Keys travel in a header and are never shown."""

    model: str
    key: SecretStr
    base_url: str = BASE_URL
    timeout: float = 120.0
    connections: int = 32
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    thinking: bool = False
    thinking_budget: int | None = None
    _session: Any = PrivateAttr(default=None)

    def model_post_init(self, context: Any) -> None:
        super().model_post_init(context)
        self._session = _Session()
        adapter = requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=self.connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    @property
    def _llm_type(self) -> str:
        return "dashscope"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
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
            enable_thinking=self.thinking,
            thinking_budget=self.thinking_budget if self.thinking else None,
            **({"stream": True, "incremental_output": True} if self.thinking else {}),
        )
        return _result(answer if self.thinking else [answer])


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
