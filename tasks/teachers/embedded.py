"""A teacher that needs no key and no network: it reads the puzzle's text and solves it.

It sees only the user's message, as any model would, and says so when it cannot solve a puzzle.
"""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult

from storage.records import PonensError, language_of

_UNSOLVED = {"en": "This is not a puzzle that I can solve.", "zh": "这不是我能解的题。"}


class SolverChat(BaseChatModel):
    """LangChain's face of the symbolic solver."""

    model: str = "solver"

    @property
    def _llm_type(self) -> str:
        return "embedded"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        from puzzles.solve import rationale

        asked = str(messages[-1].text)
        try:
            text = rationale(asked) or _UNSOLVED[language_of(asked)]
        except Exception as error:
            raise PonensError("the embedded solver failed", seen=repr(error), hint=f"text: {asked[:200]}") from error
        message = AIMessage(
            content=text,
            response_metadata={"finish_reason": "stop"},
            usage_metadata=UsageMetadata(input_tokens=0, output_tokens=0, total_tokens=0),
        )
        return ChatResult(generations=[ChatGeneration(message=message)])
