"""What prompts over conversations share: the words that ask, below the user's own, and a reply without its wrapping.

A conversation's user says what the source says and nothing else; what to do with it is asked here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from storage.records import Message, language_of

_THINK = re.compile(r"\A.*</think>|<think>.*\Z", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"```[^\n`]*\n(?P<inside>.*?)(?:```|\Z)", re.DOTALL)


class Conversation(Protocol):
    """Messages that end in an answer, what they are for, and what their reader knew besides."""

    @property
    def messages(self) -> Sequence[Message]: ...

    @property
    def task(self) -> str: ...

    @property
    def about(self) -> Mapping[str, Any]: ...


def asked(conversation: Conversation, words: Mapping[str, str] | None) -> list[Message]:
    """What stands before the answer; below the last user's turn `words`, by language, in the language of the turns."""
    before = list(conversation.messages[:-1])
    if words:
        last = max(place for place, message in enumerate(before) if message.role == "user")
        language = language_of("".join(message.content for message in before))
        before[last] = Message("user", f"{before[last].content}\n\n{words[language]}")
    return before


def spoken(reply: str) -> str:
    """A reply without what was thought before it."""
    return _THINK.sub("", reply).strip()


def unwrapped(reply: str) -> str:
    """What is spoken; of fenced blocks the inside of the last one."""
    text = spoken(reply)
    blocks = [hit["inside"] for hit in _FENCE.finditer(text)]
    return (blocks[-1] if blocks else text).strip()
