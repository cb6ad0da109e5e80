"""A teacher that needs no key and no network: it reads the puzzle's text and solves it.

It sees only the user's message, as any model would, and says so when it cannot solve a puzzle.
"""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from storage.records import PonensError, language_of
from tasks.teachers.chat_model import DirectChat

_UNSOLVED = {"en": "This is not a puzzle that I can solve.", "zh": "这不是我能解的题。"}


class SolverChat(DirectChat):
    """LangChain's face of the symbolic solver."""

    model: str = "solver"

    @property
    def _llm_type(self) -> str:
        return "embedded"

    def close(self) -> None:
        """It holds nothing."""

    def reply(self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any) -> ChatResult:
        """The solution, or that there is none."""
        return ChatResult(generations=[ChatGeneration(message=_solved(messages))])


def _solved(messages: list[BaseMessage]) -> AIMessage:
    from puzzles.solve import rationale

    asked = str(messages[-1].text)
    try:
        text = rationale(asked) or _UNSOLVED[language_of(asked)]
    except Exception as error:
        raise PonensError("the embedded solver failed", seen=repr(error), hint=f"text: {asked[:200]}") from error
    return AIMessage(content=text, response_metadata={"finish_reason": "stop"})
