"""The prompt of each kind of work over dialogues: how it asks, and how a reply is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from prompts import assignment, instruction, sql, statement
from prompts.turns import Answer, Conversation
from prompts.worded import Worded
from storage.dialogues import Kind
from storage.records import Message


class Wording(Protocol):
    """How a prompt is worded: `VERSION` is part of every key that depends on it.

    `TEMPLATE` holds by language the words around a lone "{question}"; without a language it stands as it is.
    """

    @property
    def VERSION(self) -> str: ...

    @property
    def TEMPLATE(self) -> Mapping[str, str]: ...


class Prompt(Wording, Protocol):
    """A prompt of the house beside its parser."""

    def ask(self, conversation: Conversation) -> list[Message]:
        """Messages that ask for the last answer of a conversation; it is not in them."""

    def read(self, reply: str) -> Answer:
        """The answer that a reply gives, without what is thought before it and invented after it."""


# the code that scores replies to dialogues, with the processes that it starts
SCORING = (
    "tasks.evaluate.scoring",
    "tasks.evaluate.judging",
    "tasks.kinds.text_to_sql",
    "tasks.evaluate.loss_main",
    "tasks.sandbox.child",
    "tasks.sandbox.confined",
    "tasks.sandbox.own_child",
)
# a chat asks as an instruction does: in its user's own words
PROMPTS: Mapping[Kind, Prompt] = {
    "sql": sql,
    "proof": statement,
    "assignment": assignment,
    "chat": instruction,
    "instruction": instruction,
}


def prompt_in(facts: Mapping[str, Any], kind: Kind) -> Prompt:
    """The prompt of a kind over dialogues, in the words that a step's facts hold, else the house's."""
    return Worded(kind, **facts["words"]) if facts.get("words") else PROMPTS[kind]
