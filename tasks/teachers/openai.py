"""Any endpoint that speaks OpenAI's chat completions: OpenAI, vLLM, SGLang, DeepSeek, DashScope's compatible mode."""

from __future__ import annotations

from typing import Any

from langchain_core.outputs import ChatResult
from langchain_openai import ChatOpenAI
from pydantic import SecretStr


class CompatibleChat(ChatOpenAI):
    """ChatOpenAI that keeps `reasoning_content`, which compatible servers send and OpenAI does not."""

    def _create_chat_result(self, response: Any, generation_info: dict[str, Any] | None = None) -> ChatResult:
        result = super()._create_chat_result(response, generation_info)
        choices = (response if isinstance(response, dict) else response.model_dump(warnings=False)).get("choices")
        for generation, choice in zip(result.generations, choices or [], strict=False):
            said = choice.get("message") or {}
            if reasoning := said.get("reasoning_content") or said.get("reasoning"):
                generation.message.additional_kwargs["reasoning_content"] = reasoning
        return result


def chat(
    model: str,
    *,
    key: SecretStr,
    base_url: str | None,
    timeout: float,
    max_tokens: int | None,
    temperature: float | None,
    top_p: float | None,
    thinking: bool | None,
    thinking_budget: int | None,
) -> CompatibleChat:
    """A client that never retries by itself: the pool does, and two layers would multiply."""
    body: dict[str, Any] = {}
    if max_tokens is not None and base_url is not None and "api.openai.com" not in base_url:
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
    )
