"""Alpaca's instructions, with or without a history.

    {"instruction": "…", "input": "", "output": "…", "history": [["…", "…"], …], "system": "…"}

The user says the instruction and, below it, the input. `history` holds the pairs of turns that came
before; `input`, `history` and `system` may be absent or null. Odd turns: see `conversation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from storage.dialogues import Dialogue
from storage.records import Message
from storage.sources.formats import signs
from storage.sources.formats.base import At, Cells, Fault, Format, named, optional, text
from storage.sources.formats.conversation import settled
from storage.sources.formats.opening import history, opened
from storage.sources.formats.reply import reply
from storage.sources.formats.transcript import transcribed

_ECHO = re.compile(r"\s*(?:输入|[Ii]nput)\s*[:：]")


def sniff(row: Cells) -> bool:
    """An instruction and an output."""
    return {"instruction", "output"} <= set(row)


def records(row: Cells, at: At) -> Iterator[Dialogue]:
    """The dialogue of a row."""
    odd = signs.notes(row)
    input = optional(row, "input")
    asked = text(row, "instruction", empty=bool(input.strip()))
    answer = Message("assistant", reply(row, odd).text)
    before = history(row)
    words = "\n\n".join(part for part in (asked, input) if part.strip()) if input else asked
    talk = transcribed(words, "instruction")
    asks = [Message("user", words)] if talk is None else talk
    messages, notes = settled(opened(row, [*before, *asks, answer], odd), "history")
    parts = [asked, input, answer.content]
    told = [*notes, *sorted(odd)]
    if input and _ECHO.match(input):
        told.append("echoed-label")
    if parts != [part.strip() for part in parts]:
        told.append("stray-spaces")
    yield Dialogue(
        messages,
        "chat" if before or len(asks) > 1 else "instruction",
        source_id=named(row, "id"),
        file=at.file,
        line=at.line,
        notes=tuple(told),
    )


def row(dialogue: Dialogue) -> dict[str, Any]:
    """The row of a dialogue. Fault if it has tools, an answer not to be learnt, or turns out of turn."""
    opens = dialogue.messages[0].role == "system"
    turns = dialogue.messages[opens:]
    if any(message.role != ("user", "assistant")[n % 2] for n, message in enumerate(turns)):
        raise Fault("messages", "turns other than user and assistant, one after the other, have no place in alpaca")
    if not all(message.train for message in turns):
        raise Fault("messages", "an answer that is not to be learnt has no place in alpaca")
    said_before = [message.content for message in turns[:-2]]
    return {
        "instruction": turns[-2].content,
        "input": "",
        "output": turns[-1].content,
        **({"system": dialogue.messages[0].content} if opens else {}),
        **({"history": [said_before[n : n + 2] for n in range(0, len(said_before), 2)]} if said_before else {}),
    }


FORMAT = Format("alpaca", sniff, records, row)
