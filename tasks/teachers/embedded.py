"""A teacher that needs no key and no network: it reads the puzzle's text and solves it.

It sees only the user's message, as any model would, and says so when it cannot solve a puzzle.
"""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig

from storage.records import PonensError, language_of

_UNSOLVED = {"en": "This is not a puzzle that I can solve.", "zh": "这不是我能解的题。"}


class SolverChat(BaseChatModel):
    """LangChain's face of the symbolic solver."""

    model: str = "solver"

    @property
    def _llm_type(self) -> str:
        return "embedded"

    def close(self) -> None:
        """It holds nothing."""

    def invoke(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Plain messages go straight to the solver: LangChain's callbacks take ten times as long as solving."""
        if config is None and isinstance(input, list) and all(isinstance(m, BaseMessage) for m in input):
            return _solved([m for m in input if isinstance(m, BaseMessage)])
        return super().invoke(input, config, stop=stop, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=_solved(messages))])


def _solved(messages: list[BaseMessage]) -> AIMessage:
    from puzzles.solve import rationale

    asked = str(messages[-1].text)
    try:
        text = rationale(asked) or _UNSOLVED[language_of(asked)]
    except Exception as error:
        raise PonensError("the embedded solver failed", seen=repr(error), hint=f"text: {asked[:200]}") from error
    return AIMessage(content=text, response_metadata={"finish_reason": "stop"})
