"""Turns become messages by one rule, whatever format they come from.

1. A blank turn is left out (`blank-turn`).
2. Turns before the first user's are left out, but for a system turn that opens (`answer-first`).
3. Turns of one role in a row become one, a blank line between them, learnt from only if each of them
   is (`joined-turns`). Answers of tools stay apart: several calls have several answers.
4. Turns after the last assistant's are left out (`no-last-answer`).

The names in brackets are the notes that tell of it. What has no user's turn or no answer then, a
system turn further on, or a role that is none, is rejected.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from storage.records import Message
from storage.sources.formats.base import Fault

_SIDES = ("user", "assistant")


def settled(turns: Iterable[Message], field: str) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """Messages of a dialogue by the rule above, and notes on what was mended. Fault names `field`."""
    given = list(turns)
    if _in_order(given):
        return tuple(given), ()
    found = [turn for turn in given if turn.content.strip()]
    notes = ["blank-turn"] if len(found) < len(given) else []
    first = next((n for n, turn in enumerate(found) if turn.role == "user"), None)
    if first is None:
        raise Fault(field, "no turn of a user")
    opening = found[:1] if found[0].role == "system" else []
    if first > 0 and any(turn.role != "system" for turn in found[:first]):
        notes.append("answer-first")
        found = opening + found[first:]
    joined = [message for role, run in groupby(found, lambda turn: turn.role) for message in _one(role, list(run))]
    if len(joined) < len(found):
        notes.append("joined-turns")
    last = max((n for n, turn in enumerate(joined) if turn.role == "assistant"), default=-1)
    if last < 0:
        raise Fault(field, "no answer of an assistant")
    if last < len(joined) - 1:
        notes.append("no-last-answer")
    messages = tuple(joined[: last + 1])
    if any(message.role == "system" for message in messages[1:]):
        raise Fault(field, "a system turn that does not open the dialogue")
    return messages, tuple(notes)


def _in_order(turns: list[Message]) -> bool:
    """Whether there is nothing to mend: after a system turn, if any, a user and an assistant in turn, none blank."""
    if len(turns) == 2 and turns[0].role == "user" and turns[1].role == "assistant":
        asked, answer = turns[0].content, turns[1].content
        return not (not asked or not answer or asked.isspace() or answer.isspace())  # as most are
    start = 1 if turns and turns[0].role == "system" else 0
    count = len(turns) - start
    if count < 2 or count % 2:
        return False
    for n, turn in enumerate(turns, start=-start):
        if (n >= 0 and turn.role != _SIDES[n % 2]) or not turn.content or turn.content.isspace():
            return False
    return True


def _one(role: str, run: list[Message]) -> list[Message]:
    if role == "tool" or len(run) == 1:
        return run
    return [Message(run[0].role, "\n\n".join(turn.content for turn in run), all(turn.train for turn in run))]
