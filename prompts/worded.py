"""A kind of work over dialogues, asked in a recipe's own words: the house's parser reads the reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from prompts import assignment, sql, statement
from prompts.turns import Answer, Conversation, framed
from storage.records import Message

HOUSES: Mapping[str, ModuleType] = {"sql": sql, "proof": statement, "assignment": assignment}


@dataclass(frozen=True)
class Worded:
    """The words around the last user's turn, by language; `kind` says whose parser reads the reply."""

    kind: str
    VERSION: str
    TEMPLATE: Mapping[str, str]

    @property
    def settings(self) -> dict[str, Any]:
        """What a key and a manifest say of these words."""
        return {"words": {"VERSION": self.VERSION, "TEMPLATE": dict(self.TEMPLATE)}}

    def ask(self, conversation: Conversation) -> list[Message]:
        """Messages that ask for the last answer of a conversation; it is not in them."""
        return framed(conversation, self.TEMPLATE)

    def read(self, reply: str) -> Answer:
        """The answer that a reply gives."""
        answer: Answer = HOUSES[self.kind].read(reply)
        return answer
