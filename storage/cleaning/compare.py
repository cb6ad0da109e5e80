"""Which words of a record count where it is compared with others.

    a question    problem, question and options; the options are facts, and keys may not contradict
    a dialogue    its turns, the answer apart from what comes before; what its topic shares word for word (a schema,
                  a passage) and who speaks when are facts

A copy says the same in every part: two wordings of one question over a long schema are no copies, nor are two labels
of one text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from storage.cleaning.signs import BETWEEN, Said, said
from storage.dialogues import Dialogue, Preference, Record
from storage.records import LETTERS, Question, normal

R = TypeVar("R", Question, Dialogue)


class Texts(NamedTuple):
    """The words of a row as they are: what its group shares, its parts, and what its key says (None without)."""

    passage: str
    parts: tuple[str, ...]
    key: str | None


@dataclass(frozen=True, slots=True)
class Comparison(Generic[R]):
    """How records of one type are compared.

    `said` and `passage` are of a record: its words, and those that its group shares. `texts` reads the values of
    `columns` of a row.
    """

    said: Callable[[R], Said]
    passage: Callable[[R], str]
    columns: tuple[str, ...]
    texts: Callable[[Sequence[Any]], Texts]


def asked(record: Record) -> tuple[Said, str]:
    """The words of an evaluation set's record of any type, and what it asks as it is."""
    if isinstance(record, Question):
        return QUESTIONS.said(record), f"{record.problem} {record.question}"
    if isinstance(record, Preference):
        record = record.preferred()
    if isinstance(record, Dialogue):
        return DIALOGUES.said(record), " ".join(m.content for m in record.messages[:-1] if m.role != "system")
    words = normal(record.text)
    return Said(words, (), words), record.text


def _question(row: Sequence[Any]) -> Texts:
    problem, question, options, key = row
    text = "\n".join((problem, question, *sorted(options, key=normal)))
    return Texts(problem, (text,), normal(options[LETTERS.index(key)]) if key else None)


def _said(dialogue: Dialogue) -> Said:
    turns = [(m.role, normal(m.content)) for m in dialogue.messages]
    own = normal("\n".join(_before(dialogue.context, [(m.role, m.content) for m in dialogue.messages])))
    return Said(
        BETWEEN.join((own, turns[-1][1])),
        (normal(dialogue.context), " ".join(role for role, _ in turns)),
        BETWEEN.join(text for role, text in turns[:-1] if role != "system"),
    )


def _dialogue(row: Sequence[Any]) -> Texts:
    context, messages = row
    turns = [(m["role"], m["content"]) for m in messages]
    opening = next(text for role, text in turns if role == "user")
    return Texts(context or opening, ("\n".join(_before(context, turns)), turns[-1][1]), None)


def _before(context: str, turns: Sequence[tuple[str, str]]) -> list[str]:
    """What stands before the answer, without the context."""
    return [text.removeprefix(context) for _, text in turns[:-1]]


QUESTIONS: Comparison[Question] = Comparison(
    lambda q: said(q.problem, q.question, q.options),
    lambda q: q.problem,
    ("problem", "question", "options", "answer"),
    _question,
)
DIALOGUES: Comparison[Dialogue] = Comparison(
    _said, lambda d: d.context or d.opening, ("context", "messages"), _dialogue
)
