"""The house's vocabulary: frozen records, content identity and the one base error.

Standard library only, so that every room may import it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Split = Literal["train", "valid", "test"]
Role = Literal["system", "user", "assistant", "tool"]
Task = Literal[
    "instruction", "chat", "sql", "statement", "translation", "classification", "summary", "tagging", "triples"
]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_HAN = re.compile(r"[\u3400-\u9fff]")


class PonensError(Exception):
    """The work failed. Reads as: thing, value seen, value expected, next step."""

    exit_code = 1
    summary: Mapping[str, Any] | None = None  # of the run that it ended, where one was under way

    def __init__(self, thing: str, *, seen: object = None, expected: str = "", hint: str = "") -> None:
        self.thing, self.seen, self.expected, self.hint = thing, seen, expected, hint
        parts = [thing]
        if seen is not None:
            parts.append(f"  seen:     {seen}")
        if expected:
            parts.append(f"  expected: {expected}")
        if hint:
            parts.append(f"  next:     {hint}")
        super().__init__("\n".join(parts))


class UsageError(PonensError):
    """The command, the recipe or the input is wrong; nothing was done."""

    exit_code = 2


def digest(content: object) -> str:
    """SHA-256 (64 hex digits) of a JSON-able value in canonical form: sorted keys, no spaces."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def seed_of(*parts: object) -> int:
    """A 31-bit seed from content, so that results depend on neither order nor worker count."""
    return int(digest([str(p) for p in parts])[:8], 16) & 0x7FFFFFFF


def language_of(text: str) -> Literal["zh", "en"]:
    """Chinese if the text holds any Han character, else English."""
    return "zh" if _HAN.search(text) else "en"


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message; `train` is whether an assistant's words are to be learnt."""

    role: Role
    content: str
    train: bool = True

    def dict(self) -> dict[str, str]:
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True)
class Question:
    """One multiple-choice question; the letter of an option is its position.

    `source_id`, `file` and `line` are for people; identity is `id`, made of content alone.
    `answer` is None where the source has no key. `notes` are what its reader found odd, by the
    kinds of `storage.oddities`.
    """

    problem: str
    question: str
    options: tuple[str, ...]
    answer: str | None = None
    source_id: str = ""
    file: str = ""
    line: int = 0
    split: Split = "train"
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not 2 <= len(self.options) <= len(LETTERS):
            raise ValueError(f"{len(self.options)} options; expected 2 to {len(LETTERS)}")
        if self.answer is not None and self.answer not in self.letters:
            raise ValueError(f"answer {self.answer!r}; expected one of {self.letters}")

    @property
    def letters(self) -> str:
        """The letters of the options, such as "ABCD"."""
        return LETTERS[: len(self.options)]

    @property
    def group(self) -> str:
        """16 hex digits: the problem's identity. Questions of one problem are never split apart."""
        return digest(self.problem)[:16]

    @property
    def id(self) -> str:
        """16 hex digits: the identity of problem, question and options in their order."""
        return digest([self.problem, self.question, list(self.options)])[:16]

    @property
    def language(self) -> Literal["zh", "en"]:
        return language_of(self.problem + self.question + "".join(self.options))


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Messages that end in an assistant's answer, be it one instruction or a long chat.

    `about` is what a scorer needs beside the words (schema, labels, a proof); it is no part of the
    identity. `topic` names what must not be split apart (a database, a passage); the first user
    message where it is empty.
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

    def __post_init__(self) -> None:
        roles = [message.role for message in self.messages]
        if "user" not in roles or roles[-1] != "assistant" or "system" in roles[1:]:
            raise ValueError(f"roles {roles}; expected a user's turn, the answer last, a system turn only first")

    @property
    def group(self) -> str:
        """16 hex digits: the topic's identity. Dialogues of one topic are never split apart."""
        return digest(self.topic or next(m.content for m in self.messages if m.role == "user"))[:16]

    @property
    def id(self) -> str:
        """16 hex digits: the identity of roles and words in their order."""
        return digest([[m.role, m.content] for m in self.messages])[:16]

    @property
    def language(self) -> Literal["zh", "en"]:
        return language_of("".join(m.content for m in self.messages))


@dataclass(frozen=True, slots=True)
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
        return digest(next(m.content for m in self.prompt if m.role == "user"))[:16]

    @property
    def id(self) -> str:
        """16 hex digits: the identity of prompt and both answers."""
        return digest([[[m.role, m.content] for m in self.prompt], self.chosen, self.rejected])[:16]

    @property
    def language(self) -> Literal["zh", "en"]:
        return language_of("".join(m.content for m in self.prompt) + self.chosen + self.rejected)


@dataclass(frozen=True, slots=True)
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
        return digest(self.topic or self.text)[:16]

    @property
    def id(self) -> str:
        """16 hex digits: the identity of the text."""
        return digest(self.text)[:16]

    @property
    def language(self) -> Literal["zh", "en"]:
        return language_of(self.text)


Record = Question | Dialogue | Preference | Text


@dataclass(frozen=True, slots=True)
class Rejected:
    """A source row that is no record: where, which field, why. `line` counts from 1."""

    file: str
    line: int
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a parser made of a reply: the letter or None, and which extractor fired."""

    answer: str | None
    extractor: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One reply of one subject ("base" or an adapter's name) to one question.

    `index` is -1 for the greedy reply, -2 for the forced letter, else 0..n-1.
    `finish` is "stop", "length" or "overflow" (the prompt did not fit the context).
    """

    question: str
    subject: str
    index: int
    text: str
    finish: str
    tokens: int
    answer: str | None = None
    extractor: str = ""


@dataclass(frozen=True, slots=True)
class Ballot:
    """All votes on one question; None is an abstention (the reply could not be read)."""

    question: str
    group: str
    gold: str | None
    votes: tuple[str | None, ...]
    winner: str | None
    tally: Mapping[str, int] = field(default_factory=dict)

    @property
    def right(self) -> bool:
        return self.winner is not None and self.winner == self.gold


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a step leaves behind: identity, place and counts, never frames or models.

    `key` names the work (settings, inputs, code); `digest` names what came of it. `artifact` is
    relative to the home; `ingredients` are the parts of the key, so that a plan can say what changed.
    """

    step: str
    key: str
    digest: str
    artifact: str
    facts: Mapping[str, Any]
    ingredients: Mapping[str, Any]
    seconds: float
    made_at: str

    def dict(self) -> dict[str, Any]:
        return asdict(self)
