"""Rows of two texts, one asked and one answered: the names of the columns say what for.

    {"prompt": "…", "completion": "…"}        instructions; texts, or lists of messages as TRL takes them
    {"question": "…", "answer": "…"}          the same by any other name of `columns`: an instruction and a passage
                                              stand before the question, a worked solution is the reply (see `reply`)
    {"source": "…", "target": "…"}            translation; also {"translation": {"en": "…", "de": "…"}}
    {"text": "…", "label": "…"}               classification; a label may be a number
    {"document": "…", "summary": "…"}         summaries; also `article`, `dialogue`, `text`; `highlights`

A system prompt, tools, a history and an `id` may stand beside them, and a judgement of the answer (see `signs`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from storage.dialogues import Dialogue, Task
from storage.records import Message, Role
from storage.sources.formats import choice_sets, columns, keys, prose, rated, signs
from storage.sources.formats.base import At, Cells, Fault, Format, kind, named, said, text
from storage.sources.formats.choice_names import OPTIONS
from storage.sources.formats.conversation import settled
from storage.sources.formats.opening import history, opened
from storage.sources.formats.reply import first, holds, present, reasoned, replies, reply
from storage.sources.formats.transcript import is_plain, transcribed
from storage.sources.formats.turns import are_turns, turns

_WORDED = ("label_text", "label_name", "label_desc", "label_des", "text_label")  # a label's word
_QUERY = re.compile(r"\s*(?:select|with)\s", re.IGNORECASE)
_REPLIES = (*columns.ANSWER, *columns.REPLY)
# what makes a row another format's
_TAKEN = {"premises", "chosen", "image", "quiz", "db_id", "formal_statement", "completions"}


def _prompted(row: Cells, at: At) -> Iterator[Dialogue]:
    notes = signs.notes(row)
    given = [*_turns(row, "prompt", "user", notes), *_turns(row, "completion", "assistant", notes)]
    yield _dialogue(given, row, at, "instruction", notes)


def _turns(row: Cells, field: str, role: Role, notes: set[str]) -> list[Message]:
    """The turns of a cell: a text, a transcript of a user's turn, messages, or messages as JSON in a text."""
    if field not in row:
        raise Fault(field, "missing field")
    value = row[field]
    if is_plain(value):
        return [Message(role, said(value, field))]  # as most are
    if isinstance(value, list) or are_turns(value):
        return turns(value, field, notes)
    if isinstance(value, dict) and isinstance(value.get("text"), str):  # NarrativeQA's, beside its tokens
        value = value["text"]
    if role == "user" and (talk := transcribed(value, field)) is not None:
        return talk
    return [Message(role, said(value, field))]


def _asked(row: Cells, at: At) -> Iterator[Dialogue]:
    parts = _parts(tuple(row))
    if parts.options:
        if choice_sets.known(row):
            raise Fault(parts.options[0], "a multiple choice among other rows: keep it in a file of its own")
        _without_options(row, parts.options)
    notes = signs.notes(row)
    beside = parts.contexts or parts.instructions
    asked, context = _below(row, parts, notes) if beside else (_question(row, parts, notes), "")
    answer = reply(row, notes)
    given = [*history(row), *asked, Message("assistant", answer.text)]
    yield _dialogue(given, row, at, "instruction", notes, answer.about, context)


def _question(row: Cells, parts: _Parts, notes: set[str]) -> list[Message]:
    name = first(row, parts.questions)
    return _turns(row, name, "user", notes) if name and row[name] is not None else []


def _below(row: Cells, parts: _Parts, notes: set[str]) -> tuple[list[Message], str]:
    """What is asked below the instruction, the passages and the turns that stand beside it; and the passages."""
    talk = _talk(row, parts.contexts)
    contexts = [prose.passage(row[name], name) for name in parts.contexts if row[name] is not None and name != talk]
    context = "\n\n".join(filter(str.strip, contexts))
    asked = _question(row, parts, notes)
    asked = [*turns(row[talk], talk, notes), *asked] if talk else asked
    above = list(filter(str.strip, (_instruction(row, parts.instructions), context)))
    if above and asked and asked[0].role == "user":
        asked[0] = Message("user", "\n\n".join([*above, asked[0].content]))
    elif above:
        asked = [Message("user", "\n\n".join(above)), *asked]
    return asked, context


class _Parts(NamedTuple):
    """The columns that may be the options, the passages, the question and the instruction, in order."""

    options: tuple[str, ...]
    contexts: tuple[str, ...]
    questions: tuple[str, ...]
    instructions: tuple[str, ...]


@lru_cache(maxsize=1 << 10)
def _parts(names: tuple[str, ...]) -> _Parts:
    """The parts of a row of these columns: looked for once, not row by row."""
    return _Parts(*(present(names, of) for of in (OPTIONS, columns.CONTEXT, columns.QUESTION, columns.INSTRUCTION)))


def _talk(row: Cells, contexts: tuple[str, ...]) -> str | None:
    """The column of a passage that is the turns before the answer, as HelpSteer3 has it."""
    return next((name for name in contexts if isinstance(row[name], list) and are_turns(row[name])), None)


def _without_options(row: Cells, names: tuple[str, ...]) -> None:
    """Fault for options beside an answer that is one of them: a multiple choice, whose letter teaches nothing alone."""
    for name in names:
        options = row[name] if isinstance(row[name], list) and len(row[name]) > 1 else []
        answer = next((row[key] for key in present(tuple(row), _REPLIES) if isinstance(row[key], str)), "")
        if options and answer.strip() and (keys.is_letter(answer) or answer in options):
            raise Fault(name, "options beside an answer that names one: map question, options and answer")


def _instruction(row: Cells, names: tuple[str, ...]) -> str:
    name = first(row, names)
    return said(row[name], name, empty=True) if name and row.get(name) is not None else ""


def _translated(row: Cells, at: At) -> Iterator[Dialogue]:
    both = row.get("translation") if "translation" in row else _two_languages(row)
    if both is None:
        notes: set[str] = set()
        answer = reasoned(row, text(row, "target"), notes)
        made = bool(notes) or bool(_QUERY.match(answer))  # CoT Collection: a way to an answer; a query
        task: Task = "instruction" if made else "translation"
        given = [Message("user", text(row, "source")), Message("assistant", answer)]
        yield _dialogue(given, row, at, task, notes)
        return
    if not isinstance(both, dict) or len(both) != 2:
        raise Fault("translation", f"expected a text in each of two languages, found {kind(both)}")
    (source, asked), (target, translated) = both.items()
    asked, translated = said(asked, f"translation.{source}"), said(translated, f"translation.{target}")
    yield _pair(row, at, "translation", asked, translated, {"source": source, "target": target})


def _classified(row: Cells, at: At) -> Iterator[Dialogue]:
    label = row.get("label")
    words = next((word for word in _WORDED if isinstance(row.get(word), str) and row[word].strip()), None)
    name = text(row, words) if words else str(label) if isinstance(label, int) else text(row, "label")
    asked = text(row, "text" if "text" in row else "sentence")
    turns = [Message("user", asked), Message("assistant", name)]
    yield _dialogue(turns, row, at, "classification", {"number-label"} if name.isdigit() else set(), {"label": name})


def _summed_up(row: Cells, at: At) -> Iterator[Dialogue]:
    document, summary = (_first(row, names) for names in (columns.DOCUMENT, columns.SUMMARY))
    yield _pair(row, at, "summary", text(row, document), text(row, summary))


def _first(row: Cells, names: tuple[str, ...]) -> str:
    return next((name for name in names if name in row), names[0])


def _pair(row: Cells, at: At, task: Task, asked: str, answer: str, about: dict[str, Any] | None = None) -> Dialogue:
    return _dialogue([Message("user", asked), Message("assistant", answer)], row, at, task, set(), about)


def _dialogue(
    turns: list[Message],
    row: Cells,
    at: At,
    task: Task,
    notes: set[str],
    about: dict[str, Any] | None = None,
    topic: str = "",
) -> Dialogue:
    given, mended = settled(opened(row, turns, notes), "prompt")
    told = (*mended, *sorted(notes))
    return Dialogue(given, task, about or {}, topic, named(row, "id"), at.file, at.line, notes=told, context=topic)


def _strings(dialogue: Dialogue) -> dict[str, Any]:
    """Fault unless the dialogue is one user's turn and one answer."""
    if [message.role for message in dialogue.messages] != ["user", "assistant"]:
        raise Fault("messages", "other turns than one prompt and one completion have no place in prompt-completion")
    if not all(message.train for message in dialogue.messages):
        raise Fault("messages", "an answer that is not to be learnt has no place in prompt-completion")
    asked, answer = dialogue.messages
    return {"prompt": asked.content, "completion": answer.content}


def _has(*names: str) -> Callable[[Cells], bool]:
    return lambda row: set(names) <= row.keys() and not _taken(row)


def _classifies(row: Cells) -> bool:
    return _has("text", "label")(row) or (
        "sentence" in row and any(name in row for name in _WORDED) and not _taken(row)
    )


def _taken(row: Cells) -> bool:
    return (
        any(row[name] not in (None, "") for name in _TAKEN & row.keys()) or rated.sniff(row) or choice_sets.known(row)
    )


def _questions(row: Cells) -> bool:
    if _taken(row) or {"prompt", "completion"} <= row.keys() or {"instruction", "output"} <= row.keys():
        return False
    context = row.get("context")
    if isinstance(context, str) and "create table" in context.lower():
        return False
    asks = holds(row, columns.QUESTION) or holds(row, columns.INSTRUCTION)
    asks = asks or _talk(row, _parts(tuple(row)).contexts) is not None
    alone = isinstance(row.get("puzzle"), str) and isinstance(row.get("solution"), dict)
    return (asks or alone) and replies(row)


def _translations(row: Cells) -> bool:
    made = isinstance(row.get("translation"), dict) or _two_languages(row) is not None
    return made or _has("source", "target")(row)


def _two_languages(row: Cells) -> dict[str, Any] | None:
    """The texts of a row whose only columns, metadata apart, are two languages, or a source and a target."""
    if {"src", "tgt"} <= row.keys():
        return {"src": row["src"], "tgt": row["tgt"]}
    names = [name for name in row if not columns.is_metadata(name)]
    codes = [name for name in names if re.split(r"[_-]", name.lower())[0] in columns.LANGUAGES]
    if len(names) != 2 or codes != names or not all(isinstance(row[name], str) for name in names):
        return None
    return {name: row[name] for name in names}


def _summaries(row: Cells) -> bool:
    return not _taken(row) and all(any(name in row for name in names) for names in (columns.DOCUMENT, columns.SUMMARY))


PROMPT_COMPLETION = Format("prompt-completion", _has("prompt", "completion"), _prompted, _strings)
QUESTION_ANSWER = Format("question-answer", _questions, _asked)
FORMATS = (
    PROMPT_COMPLETION,
    QUESTION_ANSWER,
    Format("translation", _translations, _translated),
    Format("classification", _classifies, _classified),
    Format("summary", _summaries, _summed_up),
)
