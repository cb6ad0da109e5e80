"""Any endpoint that speaks OpenAI's chat completions: OpenAI, vLLM, SGLang, DeepSeek, DashScope's compatible mode."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models.base import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from tasks.clients.body import first_choice
from tasks.clients.deadline import timed_client
from tasks.clients.reply import refusal_in, text_in, thought_in
from tasks.teachers.chat_model import DirectChat


class CompatibleChat(DirectChat, ChatOpenAI):
    """ChatOpenAI that keeps `reasoning_content`, which compatible servers send and OpenAI does not."""

    def close(self) -> None:
        """Close its connections."""
        self.root_client.close()

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        # The SDK holds `messages` against its typed dictionaries, a tenth of a call's CPU; extra_body is sent as it is.
        payload = super()._get_request_payload(input_, stop=stop, **kwargs)
        body = {**(payload.get("extra_body") or {}), "messages": payload["messages"]}
        return payload | {"messages": [], "extra_body": body}

    def reply(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        """One call of the SDK. NoAnswer for a body that is no chat completion."""
        # The SDK makes typed objects of the reply, of which LangChain makes plain ones again: a tenth of a call, too.
        raw = self.client.with_raw_response.create(**self._get_request_payload(messages, stop=stop, **kwargs))
        choice, usage = first_choice(raw.content, raw.headers.get("content-type", ""))
        said = choice["message"]
        extra = {"reasoning_content": thought_in(said), "refusal": refusal_in(said)}
        message = AIMessage(
            content=text_in(said),
            additional_kwargs={name: text for name, text in extra.items() if text},
            response_metadata={"finish_reason": choice.get("finish_reason") or "", "token_usage": usage},
        )
        return ChatResult(generations=[ChatGeneration(message=message)])


def chat(
    model: str,
    *,
    key: SecretStr,
    base_url: str,
    timeout: float,
    max_tokens: int | None,
    temperature: float | None,
    top_p: float | None,
    thinking: bool | None,
    thinking_budget: int | None,
) -> CompatibleChat:
    """A client that never retries by itself: the pool does, and two layers would multiply."""
    body: dict[str, Any] = {}
    if max_tokens is not None and "api.openai.com" not in base_url:
        body["max_tokens"], max_tokens = max_tokens, None  # many compatible servers ignore max_completion_tokens
    if thinking is not None:
        body["enable_thinking"] = thinking
    if thinking and thinking_budget is not None:
        body["thinking_budget"] = thinking_budget
    return CompatibleChat(
        model=model,
        api_key=key,
        base_url=base_url,
        timeout=timeout,
        max_retries=0,
        max_completion_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        extra_body=body or None,
        use_responses_api=False,
        http_client=timed_client(),
    )
