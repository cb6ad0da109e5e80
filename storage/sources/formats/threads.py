"""Threads of messages that answer one another: Open Assistant's trees, and its messages one a row.

    {"message_id": "…", "parent_id": null, "text": "…", "role": "prompter"}, {"parent_id": "…", "role": "assistant", …}
    {"message_tree_id": "…", "prompt": {"text": "…", "role": "prompter", "replies": [{…}, …]}}

A dialogue is a way from a tree's root down to an answer that nobody answered again. What was deleted, and what its
reviewers turned down, is left out with all below it. Messages one a row are held in memory, a file at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from storage.dialogues import Dialogue
from storage.records import Message, Rejected
from storage.sources.formats.base import At, Cells, Fault, Format, kind, said
from storage.sources.formats.conversation import settled
from storage.sources.formats.turns import ROLES
from storage.sources.rows import Row

_FLAT = ("message_id", "parent_id", "text", "role")
_DEEPEST = 200  # messages in a thread


def sniff(row: Cells) -> bool:
    """A message that names the one it answers, or a tree of messages."""
    return set(_FLAT) <= row.keys() or _is_tree(row)


def _is_tree(row: Cells) -> bool:
    return isinstance(row.get("prompt"), dict) and {"text", "replies"} <= row["prompt"].keys()


def gathered(items: Iterable[Row | Rejected]) -> Iterator[Row | Rejected]:
    """Messages one a row as trees, each in the place of its root; a message whose root is not there is a reject."""
    nodes: dict[str, dict[str, Any]] = {}
    messages = []
    for item in items:
        if isinstance(item, Rejected) or not isinstance(item.value, dict) or not set(_FLAT) <= item.value.keys():
            yield item
            continue
        node = {**item.value, "replies": []}
        nodes[str(node["message_id"])] = node
        messages.append((item, node))
    for _, node in messages:
        parent = nodes.get(str(node["parent_id"])) if node["parent_id"] is not None else None
        if parent is not None:
            parent["replies"].append(node)
    for item, node in messages:
        if node["parent_id"] is None:
            yield Row(item.line, {"prompt": node})
        elif str(node["parent_id"]) not in nodes:
            yield Row(item.line, {"orphan": str(node["parent_id"])})


def records(row: Cells, at: At) -> Iterator[Dialogue | Rejected]:
    """The threads of a tree."""
    if "orphan" in row:
        raise Fault("parent_id", f"the message that it answers, {row['orphan'][:40]!r}, is not in the file")
    if not _is_tree(row):
        raise Fault("prompt", f"expected the root of a tree of messages, found {kind(row.get('prompt'))}")
    ways = {tuple(way) for way in _ways(row["prompt"], "prompt", 0)}
    whole = [way for way in ways if not any(other[: len(way)] == way for other in ways if len(other) > len(way))]
    if not any(message.role == "assistant" for way in whole for message in way):
        raise Fault("replies", "no answer of an assistant")
    for way in sorted(whole, key=lambda way: [message.content for message in way]):
        messages, notes = settled(way, "replies")
        id = str(row["prompt"].get("message_id") or row.get("message_tree_id") or "")
        yield Dialogue(messages, source_id=id, file=at.file, line=at.line, notes=notes)


def _ways(node: object, where: str, depth: int) -> Iterator[list[Message]]:
    """From a message down, each way up to its last answer; ways without an answer are empty lists."""
    if not isinstance(node, dict):
        raise Fault(where, f"not an object but {kind(node)}")
    if depth > _DEEPEST:
        raise Fault("replies", f"more than {_DEEPEST} messages below one another")
    if node.get("deleted") or node.get("review_result") is False:
        return
    role = ROLES.get(str(node.get("role")).lower())
    if role is None:
        raise Fault(f"{where}.role", f"role {str(node.get('role'))[:40]!r} is none of {', '.join(ROLES)}")
    message = Message(role, said(node.get("text"), f"{where}.text"))
    replies = node.get("replies") or []
    if not isinstance(replies, list):
        raise Fault(f"{where}.replies", f"expected a list, found {kind(replies)}")
    below = [way for n, reply in enumerate(replies) for way in _ways(reply, f"{where}.replies[{n}]", depth + 1)]
    deeper = [way for way in below if way]
    if deeper:
        yield from ([message, *way] for way in deeper)
    elif role == "assistant":
        yield [message]


FORMAT = Format("threads", sniff, records, gathered=gathered)
