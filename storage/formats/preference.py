"""Preference pairs: two answers to one prompt, the better one named.

    {"prompt": "…", "chosen": "…", "rejected": "…"}

Each may be a list of messages instead, as TRL takes them; without `prompt`, what both lists begin
with is the prompt. Two equal answers are rejected: nothing is preferred.
"""

from __future__ import annotations

from collections.abc import Iterator

from storage.dialogues import Preference
from storage.formats import messages
from storage.formats.base import At, Cells, Fault, Format, named, optional, text
from storage.records import Message


def sniff(row: Cells) -> bool:
    """A chosen and a rejected answer."""
    return {"chosen", "rejected"} <= set(row)


def records(row: Cells, at: At) -> Iterator[Preference]:
    """The pair of a row."""
    system = optional(row, "system")
    prompt = [Message("system", system)] if system else []
    prompt += _turns(row, "prompt", "user") if row.get("prompt") is not None else []
    chosen, rejected = (_turns(row, field, "assistant") for field in ("chosen", "rejected"))
    shared = [one for one, other in zip(chosen[:-1], rejected[:-1], strict=False) if one == other]
    if chosen[: len(shared)] == rejected[: len(shared)]:
        prompt += shared if prompt[len(prompt) - len(shared) :] != shared else []
        chosen, rejected = chosen[len(shared) :], rejected[len(shared) :]
    for field, answer in (("chosen", chosen), ("rejected", rejected)):
        if [message.role for message in answer] != ["assistant"] or not answer[0].content.strip():
            raise Fault(field, "expected one answer of an assistant after what both share")
    if not any(message.role == "user" for message in prompt):
        raise Fault("prompt", "missing field" if "prompt" not in row else "no turn of a user")
    if chosen[0].content == rejected[0].content:
        raise Fault("rejected", "the same as chosen: nothing is preferred")
    yield Preference(
        tuple(prompt),
        chosen[0].content,
        rejected[0].content,
        source_id=named(row, "id"),
        file=at.file,
        line=at.line,
    )


def _turns(row: Cells, field: str, role: str) -> list[Message]:
    if isinstance(row.get(field), list):
        return messages.turns(row, field)
    return [Message(messages.ROLES[role], text(row, field))]


FORMAT = Format("preference", sniff, records)
