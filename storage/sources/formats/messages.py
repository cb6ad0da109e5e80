"""OpenAI's chat messages.

    {"messages": [{"role": "system", "content": "…"}, {"role": "user", "content": "…"},
                  {"role": "assistant", "content": "…", "train": false}, …], "tools": […]}

How a turn may be said, what keeps it from being learnt and what becomes of calls of tools: see `turns`. A system
prompt and tools may stand beside the messages: see `opening`. Messages of an assistant alone are text to go on
training with, as ms-swift and XTuner write it. Odd turns: see `conversation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from storage.dialogues import Dialogue, Text
from storage.records import Message
from storage.sources.formats import signs
from storage.sources.formats.base import At, Cells, Fault, Format, named, said
from storage.sources.formats.conversation import settled
from storage.sources.formats.opening import opened
from storage.sources.formats.packed import unpacked
from storage.sources.formats.reply import replies, reply
from storage.sources.formats.turns import turns

_ALONE = ("assistant", "pretrain")  # roles of a text to go on training with


def sniff(row: Cells) -> bool:
    """A list of messages, or one as JSON in a text."""
    return isinstance(unpacked(row.get("messages")), list) and not signs.compares(row)


def records(row: Cells, at: At) -> Iterator[Dialogue | Text]:
    """The dialogue of a row."""
    if "messages" not in row:
        raise Fault("messages", "missing field")
    if signs.compares(row):
        raise Fault("rejected", "two answers compared, among rows of one")
    if (words := alone(unpacked(row["messages"]))) is not None:
        yield Text(said(words, "messages[0].content"), source_id=named(row, "id"), file=at.file, line=at.line)
        return
    notes = signs.notes(row)
    given = turns(row["messages"], "messages", notes)
    if given and given[-1].role == "user" and replies(row):  # the answer stands beside
        given.append(Message("assistant", reply(row, notes).text))
    messages, mended = settled(opened(row, given, notes), "messages")
    yield Dialogue(messages, source_id=named(row, "id"), file=at.file, line=at.line, notes=(*mended, *sorted(notes)))


def row(dialogue: Dialogue) -> dict[str, Any]:
    """The row of a dialogue; every dialogue fits."""
    return {"messages": [chat(message) for message in dialogue.messages]}


def chat(message: Message) -> dict[str, Any]:
    """A message with its role and content, and `train` where it is not to be learnt from."""
    return {**message.dict(), **({} if message.train else {"train": False})}


def alone(turns: object) -> object:
    """The words of one turn that answers nobody, a text to go on training with; None for anything else."""
    only = turns[0] if isinstance(turns, list) and len(turns) == 1 else None
    if not isinstance(only, dict):
        return None
    if only.get("role") in _ALONE:
        return only.get("content")
    return only.get("output") if only.get("input") == "" and not only.get("system") else None  # XTuner's


FORMAT = Format("messages", sniff, records, row)
