"""Rows of two texts, one asked and one answered: the names of the columns say what for.

    {"prompt": "…", "completion": "…"}        instructions; texts, or lists of messages as TRL takes them
    {"question": "…", "answer": "…"}          the same; `context`, if there, stands before the question
    {"source": "…", "target": "…"}            translation; also {"translation": {"en": "…", "de": "…"}}
    {"text": "…", "label": "…"}               classification; a label may be a number
    {"document": "…", "summary": "…"}         summaries

`system` and `id` may stand beside them. Other names of columns are mapped to these by the recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from storage.dialogues import Dialogue, Task
from storage.formats import messages
from storage.formats.base import At, Cells, Fault, Format, kind, named, optional, said, text
from storage.formats.conversation import settled
from storage.records import Message

_TAKEN = {"options", "premises", "chosen", "image"}  # what makes a row another format's


def _prompted(row: Cells, at: At) -> Iterator[Dialogue]:
    turns = [*_turns(row, "prompt", "user"), *_turns(row, "completion", "assistant")]
    yield _dialogue(turns, row, at, "instruction")


def _turns(row: Cells, field: str, role: str) -> list[Message]:
    if isinstance(row.get(field), list):
        return messages.turns(row, field)
    return [Message(messages.ROLES[role], text(row, field))]


def _asked(row: Cells, at: At) -> Iterator[Dialogue]:
    context, question = optional(row, "context"), text(row, "question")
    asked = f"{context}\n\n{question}" if context.strip() else question
    yield _pair(row, at, "instruction", asked, text(row, "answer"), topic=context)


def _translated(row: Cells, at: At) -> Iterator[Dialogue]:
    both = row.get("translation")
    if both is None:
        yield _pair(row, at, "translation", text(row, "source"), text(row, "target"))
        return
    if not isinstance(both, dict) or len(both) != 2:
        raise Fault("translation", f"expected a text in each of two languages, found {kind(both)}")
    (source, asked), (target, answer) = both.items()
    asked, answer = said(asked, f"translation.{source}"), said(answer, f"translation.{target}")
    yield _pair(row, at, "translation", asked, answer, {"source": source, "target": target})


def _classified(row: Cells, at: At) -> Iterator[Dialogue]:
    label = row.get("label")
    name = str(label) if isinstance(label, int) else text(row, "label")
    yield _pair(row, at, "classification", text(row, "text"), name, {"label": name})


def _summed_up(row: Cells, at: At) -> Iterator[Dialogue]:
    yield _pair(row, at, "summary", text(row, "document"), text(row, "summary"))


def _pair(
    row: Cells, at: At, task: Task, asked: str, answer: str, about: dict[str, Any] | None = None, topic: str = ""
) -> Dialogue:
    return _dialogue([Message("user", asked), Message("assistant", answer)], row, at, task, about, topic)


def _dialogue(
    turns: list[Message], row: Cells, at: At, task: Task, about: dict[str, Any] | None = None, topic: str = ""
) -> Dialogue:
    system = optional(row, "system")
    opening = [Message("system", system)] if system else []
    found, notes = settled([*opening, *turns], "prompt")
    return Dialogue(found, task, about or {}, topic, named(row, "id"), at.file, at.line, notes=notes, context=topic)


def _strings(dialogue: Dialogue) -> dict[str, Any]:
    """Fault unless the dialogue is one user's turn and one answer."""
    if [message.role for message in dialogue.messages] != ["user", "assistant"]:
        raise Fault("messages", "other turns than one prompt and one completion have no place in prompt-completion")
    if not all(message.train for message in dialogue.messages):
        raise Fault("messages", "an answer that is not to be learnt has no place in prompt-completion")
    asked, answer = dialogue.messages
    return {"prompt": asked.content, "completion": answer.content}


def _has(*names: str) -> Callable[[Cells], bool]:
    return lambda row: set(names) <= set(row) and not _TAKEN & set(row)


def _questions(row: Cells) -> bool:
    context = row.get("context")
    return _has("question", "answer")(row) and not (isinstance(context, str) and "create table" in context.lower())


def _translations(row: Cells) -> bool:
    return isinstance(row.get("translation"), dict) or _has("source", "target")(row)


PROMPT_COMPLETION = Format("prompt-completion", _has("prompt", "completion"), _prompted, _strings)
FORMATS = (
    PROMPT_COMPLETION,
    Format("question-answer", _questions, _asked),
    Format("translation", _translations, _translated),
    Format("classification", _has("text", "label"), _classified),
    Format("summary", _has("document", "summary"), _summed_up),
)
