"""Sets with a form that is theirs alone.

{"meta_instruction": "…", "chat": {"turn_1": {"Human": "<|Human|>: …<eoh>", "MOSS": "<|MOSS|>: …<eom>"}}}   MOSS-003
{"fact": "…", "meta": {"accusation": ["…"]}}                                                            CAIL2018
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from storage.dialogues import Dialogue
from storage.records import Message
from storage.sources.formats.base import At, Cells, Fault, Format, kind, named, said, text, texts
from storage.sources.formats.conversation import settled
from storage.sources.formats.opening import opened
from storage.sources.formats.turns import with_reasoning

_MARK = re.compile(r"\A\s*<\|[^|>]+\|>\s*[:：]?\s*|\s*<eo[a-z]>\s*\Z")
_NOTHING = ("", "None", "none")


def _is_moss(row: Cells) -> bool:
    chat = row.get("chat")
    return (
        isinstance(chat, dict)
        and bool(chat)
        and all(isinstance(turn, dict) and "Human" in turn for turn in chat.values())
    )


def _moss(row: Cells, at: At) -> Iterator[Dialogue]:
    chat, notes = row.get("chat"), set[str]()
    if not isinstance(chat, dict):
        raise Fault("chat", f"expected an object of turns, found {kind(chat)}")
    turns = [
        message
        for name in sorted(chat, key=lambda name: (len(name), name))
        for message in _turn(chat[name], name, notes)
    ]
    if system := row.get("meta_instruction"):
        turns = [Message("system", said(system, "meta_instruction")), *turns]
    messages, mended = settled(opened(row, turns, notes), "chat")
    id = named(row, "conversation_id", "id")
    yield Dialogue(messages, source_id=id, file=at.file, line=at.line, notes=(*mended, *sorted(notes)))


def _turn(turn: object, name: str, notes: set[str]) -> list[Message]:
    """What both sides say; before it, where there is one, a command with the thoughts that led to it and its result."""
    if not isinstance(turn, dict):
        raise Fault(f"chat.{name}", f"not an object but {kind(turn)}")
    parts = {part: _plain(turn.get(part), f"chat.{name}.{part}") for part in _PARTS}
    asked, thoughts, command, result, answer = parts.values()
    called = []
    if command:
        notes.add("tool-calls")
        called = [Message("assistant", with_reasoning(thoughts, command) if thoughts else command)]
        called += [Message("tool", result)] if result else []
    elif thoughts:
        notes.add("kept-reasoning")
        answer = with_reasoning(thoughts, answer)
    return [Message("user", asked), *called, Message("assistant", answer)]


_PARTS = ("Human", "Inner Thoughts", "Commands", "Tool Responses", "MOSS")


def _plain(value: object, where: str) -> str:
    """A part without its marks; "" where it says None."""
    words = "" if value is None else _MARK.sub("", said(value, where, empty=True)).strip()
    return "" if words in _NOTHING else words


def _is_case(row: Cells) -> bool:
    meta = row.get("meta")
    return isinstance(row.get("fact"), str) and (
        "accusation" in row or (isinstance(meta, dict) and "accusation" in meta)
    )


def _case(row: Cells, at: At) -> Iterator[Dialogue]:
    meta = row.get("meta")
    told = meta if isinstance(meta, dict) and "accusation" not in row else row
    several = texts(told, "accusation") if isinstance(told.get("accusation"), list) else [text(told, "accusation")]
    charge = said("；".join(several), "accusation")
    yield Dialogue(
        (Message("user", text(row, "fact")), Message("assistant", charge)),
        "classification",
        {"label": charge},
        source_id=named(row, "id"),
        file=at.file,
        line=at.line,
    )


FORMATS = (Format("moss", _is_moss, _moss), Format("cail2018", _is_case, _case))
