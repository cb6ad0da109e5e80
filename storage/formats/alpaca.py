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
from storage.formats.base import At, Cells, Fault, Format, listed, named, optional, said, text
from storage.formats.conversation import settled
from storage.records import Message

_ECHO = re.compile(r"\s*(?:输入|[Ii]nput)\s*[:：]")


def sniff(row: Cells) -> bool:
    """An instruction and an output."""
    return {"instruction", "output"} <= set(row)


def records(row: Cells, at: At) -> Iterator[Dialogue]:
    """The dialogue of a row."""
    input, system = optional(row, "input"), optional(row, "system")
    asked = text(row, "instruction", empty=bool(input.strip()))
    answer = Message("assistant", text(row, "output"))
    before = [turn for pair in _history(row) for turn in pair]
    asks = Message("user", "\n\n".join(part for part in (asked, input) if part.strip()))
    opening = [Message("system", system)] if system else []
    messages, notes = settled([*opening, *before, asks, answer], "history")
    parts = (asked, input, answer.content)
    yield Dialogue(
        messages,
        "chat" if before else "instruction",
        source_id=named(row, "id"),
        file=at.file,
        line=at.line,
        notes=(
            *notes,
            *(("echoed-label",) if _ECHO.match(input) else ()),
            *(("stray-spaces",) if any(part != part.strip() for part in parts) else ()),
        ),
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


def _history(row: Cells) -> Iterator[tuple[Message, Message]]:
    pairs = [] if row.get("history") is None else listed(row, "history")
    for n, pair in enumerate(pairs):
        if not isinstance(pair, list) or len(pair) != 2:
            raise Fault(f"history[{n}]", "not a pair of turns")
        asked, answer = (said(turn, f"history[{n}][{side}]", empty=True) for side, turn in enumerate(pair))
        yield Message("user", asked), Message("assistant", answer)


FORMAT = Format("alpaca", sniff, records, row)
