"""FastChat's and ShareGPT's conversations.

    {"id": "identity_0", "conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}, …]}

Also doubly nested, where `conversations` holds lists of turns: each is a dialogue of its own, or a
reject. A system prompt may stand in `system`. Odd turns: see `conversation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from storage.dialogues import Dialogue
from storage.formats.base import At, Cells, Fault, Format, kind, listed, named, optional, said
from storage.formats.conversation import settled
from storage.formats.messages import learnt
from storage.records import Message, Rejected, Role

ROLES: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "assistant": "assistant",
    "function_call": "assistant",
    "system": "system",
    "tool": "tool",
    "observation": "tool",
    "function_response": "tool",
}
_SAID: dict[Role, str] = {"user": "human", "assistant": "gpt", "system": "system", "tool": "tool"}


def sniff(row: Cells) -> bool:
    """A list of conversations."""
    return isinstance(row.get("conversations"), list)


def records(row: Cells, at: At) -> Iterator[Dialogue | Rejected]:
    """The dialogue of a row, or the several of a nested one."""
    found, id = listed(row, "conversations"), named(row, "id")
    if not found or not all(isinstance(inner, list) for inner in found):
        yield _dialogue(row, found, "conversations", id, at)
        return
    for n, inner in enumerate(found):
        try:
            yield _dialogue(row, inner, f"conversations[{n}]", id, at)
        except Fault as fault:
            yield at.reject(fault)


def row(dialogue: Dialogue) -> dict[str, Any]:
    """The row of a dialogue; every dialogue fits."""
    return {"conversations": [_turn(message) for message in dialogue.messages]}


def _dialogue(row: Cells, items: list[Any], field: str, id: str, at: At) -> Dialogue:
    system = optional(row, "system")
    opening = [Message("system", system)] if system else []
    turns = [_message(item, f"{field}[{n}]") for n, item in enumerate(items)]
    messages, notes = settled(opening + turns, field)
    return Dialogue(messages, source_id=id, file=at.file, line=at.line, notes=notes)


def _message(item: object, where: str) -> Message:
    if not isinstance(item, dict):
        raise Fault(where, f"not an object but {kind(item)}")
    role = item.get("from")
    if not isinstance(role, str) or role.lower() not in ROLES:
        raise Fault(f"{where}.from", f"role {str(role)[:40]!r} is none of {', '.join(ROLES)}")
    return Message(ROLES[role.lower()], said(item.get("value"), f"{where}.value", empty=True), learnt(item, where))


def _turn(message: Message) -> dict[str, Any]:
    turn = {"from": _SAID[message.role], "value": message.content}
    return turn if message.train else {**turn, "train": False}


FORMAT = Format("sharegpt", sniff, records, row)
