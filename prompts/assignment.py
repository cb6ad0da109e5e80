"""Knights and knaves: a puzzle asks who is which; the lines that say so are read back from a reply.

A change of wording or of reading raises VERSION, which is part of every key that depends on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from prompts.turns import Conversation, asked, spoken, template
from storage.records import Message

VERSION = "assignment/1"
_ASK = {
    "en": "Reason step by step. End with a line for each inhabitant, such as `(1) NAME is a knight`.",
    "zh": "请逐步推理。最后每个居民写一行，例如“(1) 姓名是武士”。",
}
TEMPLATE: Mapping[str, str] = template(_ASK)
_LINE = re.compile(r"[\s*_>-]*[（(]?(?P<number>\d+)\s*[)）.．、:：]")


def ask(conversation: Conversation) -> list[Message]:
    """Messages that ask for everyone's role; the roles are not in them."""
    return asked(conversation, _ASK)


def read(reply: str) -> str | None:
    """The last list of numbered lines, or without one the last line; None if there are no words at all.

    Reasoning comes in numbered lines as well, so that a list begins anew with each line of number 1.
    """
    lines = [line.strip() for line in spoken(reply).splitlines() if line.strip()]
    numbered = [(hit["number"], line) for line in lines if (hit := _LINE.match(line))]
    start = max((place for place, (number, _) in enumerate(numbered) if int(number) == 1), default=len(numbered))
    return "\n".join(line for _, line in numbered[start:]) or (lines[-1] if lines else None)
