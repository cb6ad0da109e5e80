"""The prompt of each kind of work over dialogues: how it asks, and how a reply is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from prompts import instruction, sql, statement
from prompts.turns import Conversation
from storage.dialogues import Kind
from storage.records import Message


class Prompt(Protocol):
    """A prompt of the house beside its parser; `VERSION` is part of every key that depends on it."""

    VERSION: str

    def ask(self, conversation: Conversation) -> list[Message]:
        """Messages that ask for the last answer of a conversation; it is not in them."""

    def read(self, reply: str) -> str | None:
        """The answer that a reply gives; None if there is none."""


# a chat asks as an instruction does: in its user's own words
PROMPTS: Mapping[Kind, Prompt] = {"sql": sql, "proof": statement, "chat": instruction, "instruction": instruction}
