"""A chat model that is asked directly where nobody listens in."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import RunnableConfig


class DirectChat(BaseChatModel):
    """Gives `reply`; plain messages without a config go straight to it.

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
                generation = self.reply(messages, stop, **kwargs).generations[0]
                reply = generation.message
                assert isinstance(reply, AIMessage)
                reply.response_metadata = {**(generation.generation_info or {}), **reply.response_metadata}
                return reply
        return super().invoke(input, config, stop=stop, **kwargs)

    def reply(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        """The model's one reply to a conversation."""
        raise NotImplementedError

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self.reply(messages, stop, **kwargs)
