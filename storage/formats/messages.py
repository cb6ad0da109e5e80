"""OpenAI's chat messages.

    {"messages": [{"role": "system", "content": "…"}, {"role": "user", "content": "…"},
                  {"role": "assistant", "content": "…", "train": false}, …]}

`content` is text, or a list of text parts. `train`, or OpenAI's `weight` of 0 or 1, says whether an
answer is learnt from. Calls of tools are no text and are rejected; odd turns: see `conversation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from storage.dialogues import Dialogue
from storage.formats.base import At, Cells, Fault, Format, kind, listed, named, said
from storage.formats.conversation import settled
from storage.records import Message, Role

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}


def sniff(row: Cells) -> bool:
    """A list of messages."""
    return isinstance(row.get("messages"), list)


def records(row: Cells, at: At) -> Iterator[Dialogue]:
    """The dialogue of a row."""
    messages, notes = settled(turns(row, "messages"), "messages")
    yield Dialogue(messages, source_id=named(row, "id"), file=at.file, line=at.line, notes=notes)


def turns(row: Cells, field: str) -> list[Message]:
    """The messages at `field`, each checked by itself. Fault names the one that is none."""
    return [_message(item, f"{field}[{n}]") for n, item in enumerate(listed(row, field))]


def row(dialogue: Dialogue) -> dict[str, Any]:
    """The row of a dialogue; every dialogue fits."""
    return {"messages": [chat(message) for message in dialogue.messages]}


def chat(message: Message) -> dict[str, Any]:
    """A message with its role and content, and `train` where it is not to be learnt from."""
    return {**message.dict(), **({} if message.train else {"train": False})}


def _message(item: object, where: str) -> Message:
    if not isinstance(item, dict):
        raise Fault(where, f"not an object but {kind(item)}")
    role = item.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise Fault(f"{where}.role", f"role {str(role)[:40]!r} is none of {', '.join(ROLES)}")
    if item.get("tool_calls") or item.get("function_call"):
        raise Fault(f"{where}.tool_calls", "a call of a tool is no text, and this release is text only")
    return Message(ROLES[role], _content(item.get("content"), f"{where}.content"), learnt(item, where))


def _content(content: object, where: str) -> str:
    if not isinstance(content, list):
        return said(content, where, empty=True)
    for n, part in enumerate(content):
        if not isinstance(part, dict) or part.get("type") != "text":
            found = part.get("type") if isinstance(part, dict) else kind(part)
            raise Fault(f"{where}[{n}]", f"a part of type {str(found)[:40]!r}, and this release is text only")
    return "".join(said(part.get("text"), f"{where}[{n}].text", empty=True) for n, part in enumerate(content))


def learnt(item: Cells, where: str) -> bool:
    """What `train` or `weight` say of a turn; True where both are absent or null."""
    for field in ("train", "weight"):
        value = item.get(field)
        if value is not None:
            if value not in (0, 1):  # which True and False are as well
                raise Fault(f"{where}.{field}", f"{str(value)[:40]!r} is neither true nor false")
            return bool(value)
    return True


FORMAT = Format("messages", sniff, records, row)
