"""Records other than multiple choice: dialogues of every kind, preferences, texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from storage.records import Message, Question, Split, digest, language_of, normal

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:
    from storage.records import record

Task = Literal[
    "instruction",
    "chat",
    "sql",
    "statement",
    "assignment",
    "translation",
    "classification",
    "summary",
    "tagging",
    "triples",
    "preference",
]
Kind = Literal["choice", "sql", "proof", "assignment", "chat", "instruction"]
# the kinds of work, and what a record must be for ("choice", a dialogue's task, "text") to be taken by one
TAKES: Mapping[Kind, tuple[str, ...]] = {
    "choice": ("choice",),
    "sql": ("sql",),
    "proof": ("statement",),
    "assignment": ("assignment",),
    "chat": ("chat", "instruction", "assignment", "preference"),
    "instruction": (
        "instruction",
        "assignment",
        "translation",
        "classification",
        "summary",
        "tagging",
        "triples",
        "preference",
    ),
}


@record(frozen=True, slots=True)
class Dialogue:
    """Messages that end in an assistant's answer, be it one instruction or a long chat.

    `about` is what a scorer needs beside the words (schema, labels, a proof); it is no part of the
    identity. `topic` names what must not be split apart (a database, a passage); the first user
    message where it is empty. `context` is what the topic's dialogues share word for word, above the
    first user's own words (a schema, a passage); it serves to compare them while they are read.
    """

    messages: tuple[Message, ...]
    task: Task = "chat"
    about: Mapping[str, Any] = field(default_factory=dict, hash=False)
    topic: str = ""
    source_id: str = ""
    file: str = ""
    line: int = 0
    split: Split = "train"
    notes: tuple[str, ...] = field(default=(), compare=False)
    context: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        messages = self.messages
        if len(messages) == 2 and messages[0].role == "user" and messages[1].role == "assistant":
            return  # as most
        roles = [message.role for message in messages]
        if "user" not in roles or roles[-1] != "assistant" or "system" in roles[1:]:
            raise ValueError(f"roles {roles}; expected a user's turn, the answer last, a system turn only first")

    @property
    def group(self) -> str:
        """16 hex digits: the topic's identity, however it is cased and spaced; its dialogues are never split apart."""
        return _identity(self.topic or self.opening)

    @property
    def opening(self) -> str:
        """The first user's turn."""
        return next(m.content for m in self.messages if m.role == "user")

    @property
    def id(self) -> str:
        """16 hex digits: the identity of roles and words in their order."""
        return digest([[m.role, m.content] for m in self.messages])[:16]

    @property
    def language(self) -> Literal["zh", "en"]:
        return language_of("".join(m.content for m in self.messages))


@record(frozen=True, slots=True)
class Preference:
    """Two answers to the same messages, the better one first; they differ."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    source_id: str = ""
    file: str = ""
    line: int = 0
    split: Split = "train"
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not any(message.role == "user" for message in self.prompt):
            raise ValueError("the prompt has no user's turn")
        if self.chosen == self.rejected:
            raise ValueError("chosen and rejected are the same")

    @property
    def group(self) -> str:
        """16 hex digits: the first user message. Answers to one prompt are never split apart."""
        return _identity(next(m.content for m in self.prompt if m.role == "user"))

    @property
    def id(self) -> str:
        """16 hex digits: the identity of prompt and both answers."""
        return digest([[[m.role, m.content] for m in self.prompt], self.chosen, self.rejected])[:16]

    @property
    def language(self) -> Literal["zh", "en"]:
        return language_of("".join(m.content for m in self.prompt) + self.chosen + self.rejected)

    def preferred(self) -> Dialogue:
        """The better answer as a dialogue; the other one stands in `about`."""
        return Dialogue(
            (*self.prompt, Message("assistant", self.chosen)),
            "preference",
            {"rejected": self.rejected},
            source_id=self.source_id,
            file=self.file,
            line=self.line,
            split=self.split,
            notes=self.notes,
        )


@record(frozen=True, slots=True)
class Text:
    """Plain text to go on training with. `topic` as in a dialogue; the text itself where it is empty."""

    text: str
    topic: str = ""
    source_id: str = ""
    file: str = ""
    line: int = 0
    split: Split = "train"
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def group(self) -> str:
        """16 hex digits: the topic's identity. Texts of one topic are never split apart."""
        return _identity(self.topic or self.text)

    @property
    def id(self) -> str:
        """16 hex digits: the identity of the text."""
        return digest(self.text)[:16]

    @property
    def language(self) -> Literal["zh", "en"]:
        return language_of(self.text)


Record = Question | Dialogue | Preference | Text


def _identity(text: str) -> str:
    return digest(normal(text))[:16]
