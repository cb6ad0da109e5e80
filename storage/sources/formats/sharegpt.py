"""FastChat's and ShareGPT's conversations.

    {"id": "identity_0", "conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}, …]}

Also under another name of `COLUMNS`, or as a transcript (Glaive's `chat`); also doubly nested, where the column holds
lists of turns: each is a dialogue of its own, or a reject. How a turn may be said: see `turns`. A system prompt and
tools may stand beside: see `opening`. Odd turns: see `conversation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from storage.dialogues import Dialogue, Text
from storage.records import Message, Rejected, Role
from storage.sources.formats import messages, signs
from storage.sources.formats.base import At, Cells, Fault, Format, named, said
from storage.sources.formats.conversation import settled
from storage.sources.formats.opening import opened
from storage.sources.formats.packed import unpacked
from storage.sources.formats.transcript import is_marked, is_transcript, transcribed
from storage.sources.formats.turns import are_turns, turns

COLUMNS = (
    "conversations",
    "conversation",
    "dialog",
    "dialogue",
    "dialogs",
    "turns",
    "contents",
    "data",
    "chat",
    "chat_history",
    "sample",
)
_SAID: dict[Role, str] = {"user": "human", "assistant": "gpt", "system": "system", "tool": "tool"}


def sniff(row: Cells) -> bool:
    """A list of conversations, or one as JSON in a text."""
    return column(row) is not None and not signs.compares(row)


def column(row: Cells) -> str | None:
    """The column that holds the turns of a dialogue, by the names that sets give it."""
    if "messages" in row:
        return None
    if "0" not in row and isinstance(row.get(COLUMNS[0]), list):
        return COLUMNS[0]  # as most rows
    if "0" in row and "1" in row and are_turns(_by_number(row)):
        return "0"
    named = next((name for name in COLUMNS if name in row and _holds_turns(name, unpacked(row[name]))), None)
    return "text" if named is None and is_marked(row.get("text")) else named


def _by_number(row: Cells) -> list[Any]:
    """The cells of columns that are numbers, as a table has them that was made of lists of turns (ORZ)."""
    return [row[name] for name in row if name.isdigit() and row[name] is not None]


def _holds_turns(name: str, value: object) -> bool:
    if is_transcript(value):
        return True
    if not isinstance(value, list) or name == COLUMNS[0]:
        return isinstance(value, list)
    if name == "data" and value and isinstance(value[0], dict) and not {"role", "from"} & value[0].keys():
        return False  # a list of rows has that name as well
    texts = len(value) > 1 and all(isinstance(item, str) for item in value)
    return are_turns(value) or (texts and name != "turns")  # which are a user's in benchmarks: see `nested`


def records(row: Cells, at: At) -> Iterator[Dialogue | Text | Rejected]:
    """The dialogue of a row, or the several of a nested one."""
    field = column(row) or COLUMNS[0]
    if field not in row:
        raise Fault(field, "missing field")
    if signs.compares(row):
        raise Fault("rejected", "two answers compared, among rows of one")
    items, id, notes = unpacked(row[field]), named(row, "id"), signs.notes(row)
    items = _by_number(row) if field == "0" else items
    if (words := messages.alone(items)) is not None:
        yield Text(said(words, f"{field}[0]"), source_id=id, file=at.file, line=at.line)
        return
    if not isinstance(items, list) or not items or not {*map(type, items)} <= {list}:
        yield _dialogue(row, items, field, id, notes, at)
        return
    for n, inner in enumerate(items):
        try:
            yield _dialogue(row, inner, f"{field}[{n}]", id, set(notes), at)
        except Fault as fault:
            yield at.reject(fault)


def row(dialogue: Dialogue) -> dict[str, Any]:
    """The row of a dialogue; every dialogue fits."""
    return {"conversations": [_turn(message) for message in dialogue.messages]}


def _dialogue(row: Cells, items: object, field: str, id: str, notes: set[str], at: At) -> Dialogue:
    words = transcribed(items, field)
    words = turns(items, field, notes) if words is None else words
    given, mended = settled(opened(row, words, notes), field)
    return Dialogue(given, source_id=id, file=at.file, line=at.line, notes=(*mended, *sorted(notes)))


def _turn(message: Message) -> dict[str, Any]:
    turn = {"from": _SAID[message.role], "value": message.content}
    return turn if message.train else {**turn, "train": False}


FORMAT = Format("sharegpt", sniff, records, row)
