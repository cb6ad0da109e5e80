"""Formal statements: a theorem in words asks for Lean; the statement is read back from a reply.

A change of wording or of reading raises VERSION, which is part of every key that depends on it.
"""

from __future__ import annotations

import re

from prompts.turns import Conversation, asked, unwrapped
from storage.records import Message

VERSION = "statement/1"
_ASK = {
    "en": "State this as a Lean theorem over mathlib that ends in `:=`. Leave its proof out and write nothing else.",
    "zh": "把它写成基于 mathlib 的 Lean 定理，以 `:=` 结尾。不写证明，也不写别的内容。",
}
_HEAD = re.compile(r"^\s*(?:theorem|lemma|example|def)\b", re.MULTILINE)


def ask(conversation: Conversation) -> list[Message]:
    """Messages that ask for the formal statement; it is not in them."""
    return asked(conversation, _ASK)


def read(reply: str) -> str | None:
    """The statement that the reply gives: from the line that begins one on; None if there are no words at all."""
    text = unwrapped(reply)
    found = _HEAD.search(text)
    return text[found.start() :].strip() if found else text or None
