"""The kinds of work, each one object: what all others ask of it, so that nobody asks which kind it is.

KINDS["sql"].databases          True: replies are run
KINDS["sql"].prompt.VERSION     how it asks, beside how a reply is read
KINDS["sql"].worded(words)      likewise, in a recipe's own words if it has some
readers("evaluate.lean")        ("proof",)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from prompts import assignment, choice, instruction, sql, statement
from prompts.choice import Choice
from prompts.turns import Answer, Conversation
from prompts.worded import Worded
from storage.dialogues import Kind
from storage.records import Message
from tasks.kinds.text_to_sql import SqlSpec


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


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of work. What it takes stands in `storage.dialogues.TAKES`, as its readers need it.

    Its records are `questions` with `letters` to choose from, whose answers a teacher explains and people correct;
    else dialogues, which have a prompt to `ask` by. `databases` is whether replies are run. Of a `compared` kind no
    answer is right by itself: subjects are compared, by their greedy replies. `reads` are the settings that not all
    kinds read, as `--set` takes them.
    """

    wording: Wording
    reads: tuple[str, ...] = ()
    prompt: Prompt | None = None
    databases: bool = False
    compared: bool = False

    @property
    def letters(self) -> bool:
        return self.prompt is None

    @property
    def records(self) -> str:
        """What its records are called, and the groups that are never split apart."""
        return "questions" if self.letters else "dialogues"

    @property
    def groups(self) -> str:
        return "problems" if self.letters else "groups"

    @property
    def asking(self) -> Prompt:
        """The prompt of dialogues."""
        assert self.prompt is not None
        return self.prompt

    def worded(self, words: Choice | Prompt | None) -> Prompt:
        """The prompt of dialogues in a recipe's own words, if it has some for them."""
        return self.asking if words is None or isinstance(words, Choice) else words

    @property
    def scoring(self) -> tuple[str, ...]:
        """The modules that say what a reply is worth, beside those that draw it."""
        return () if self.letters else SCORING


_VOTES = tuple(f"evaluate.{name}" for name in ("votes", "temperature", "top_p", "seed"))
_DRAWN = ("samples", "questions", "temperature", "top_p", "max_tokens", "seed")  # replies drawn for preferences
_WORDS = ("prompt.instruction", "prompt.few_shot", "prompt.file")  # a chat, an instruction: in the words of the rows
_LETTERS = (
    *("reason", "assemble.bare", "assemble.shuffle", "parse.corrections", "grpo"),
    *("prompt.answer_line", "prompt.closed_world", "puzzles", *_WORDS),
    *(f"prefer.{name}" for name in ("ledger", "most", *_DRAWN)),
    *(f"evaluate.{name}" for name in ("adaptive", "confidence", "window", "weighting", "shuffles")),
)
_SCORED = ("evaluate.scorer", *_VOTES)  # one by one, by the kind's scorer or a user's own
_SQL = (
    *("puzzles", *_WORDS),
    *(f"evaluate.{name}" for name in SqlSpec.model_fields),
    *(f"parse.{name}" for name in ("evidence", "descriptions")),
)
KINDS: Mapping[Kind, Work] = {
    "choice": Work(choice, (*_LETTERS, *_VOTES)),
    "sql": Work(sql, (*_SQL, *_SCORED), sql, databases=True),
    "proof": Work(statement, ("evaluate.lean", *_WORDS, *_SCORED), statement),
    "assignment": Work(assignment, (*_WORDS, *_SCORED), assignment),
    # a chat asks as an instruction does: in its user's own words
    "chat": Work(instruction, ("evaluate.judge",), instruction, compared=True),
    "instruction": Work(instruction, _SCORED, instruction),
}


def prompt_in(facts: Mapping[str, Any], kind: Kind) -> Prompt:
    """The prompt of a kind over dialogues, in the words that a step's facts hold, else the house's."""
    return Worded(kind, **facts["words"]) if facts.get("words") else KINDS[kind].asking


def of_evaluation(facts: Mapping[str, object]) -> Work:
    """The kind of work that an evaluation measured, by its facts."""
    return next(work for kind, work in KINDS.items() if kind == facts.get("kind", next(iter(KINDS))))


def readers(setting: str) -> tuple[Kind, ...]:
    """The kinds that read a setting which not all of them read; none that is read by all."""
    return tuple(kind for kind, work in KINDS.items() if setting in work.reads)


def read_by() -> dict[tuple[Kind, ...], tuple[str, ...]]:
    """The settings that not all kinds read, by those that do."""
    found: dict[tuple[Kind, ...], tuple[str, ...]] = {}
    for setting in dict.fromkeys(setting for work in KINDS.values() for setting in work.reads):
        found[readers(setting)] = (*found.get(readers(setting), ()), setting)
    return found
