"""A chat model that is asked directly where nobody listens in."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig


class DirectChat(BaseChatModel):
    """Plain messages without a config go straight to the model.

    LangChain's callbacks, tracers and caches cost a fifth of a call over HTTP and ten times a call to
    the solver. Whoever wants them gives a config, and everything is as LangChain has it.
    """

    def invoke(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """The model's reply."""
        if config is None and isinstance(input, list):
            messages = [m for m in input if isinstance(m, BaseMessage)]
            if len(messages) == len(input):
                generation = self._generate(messages, stop, **kwargs).generations[0]
                reply = generation.message
                assert isinstance(reply, AIMessage)
                reply.response_metadata = {**(generation.generation_info or {}), **reply.response_metadata}
                return reply
        return super().invoke(input, config, stop=stop, **kwargs)
