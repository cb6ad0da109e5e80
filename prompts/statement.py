"""Formal statements: a theorem in words asks for Lean; the statement is read back from a reply.

A change of wording or of reading raises VERSION, which is part of every key that depends on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from prompts.turns import Answer, Conversation, asked, blocks, own, spoken, template
from storage.records import Message

VERSION = "statement/3"
_ASK = {
    "en": "State this as a Lean theorem over mathlib that ends in `:=`. Leave its proof out and write nothing else.",
    "zh": "把它写成基于 mathlib 的 Lean 定理，以 `:=` 结尾。不写证明，也不写别的内容。",
}
TEMPLATE: Mapping[str, str] = template(_ASK)
_HEAD = re.compile(r"^\s*(?:theorem|lemma|example|def)\b", re.MULTILINE)


def ask(conversation: Conversation) -> list[Message]:
    """Messages that ask for the formal statement; it is not in them."""
    return asked(conversation, _ASK)


def read(reply: str) -> Answer:
    """The statement that the reply gives: from the line that begins one on; no text if there are no words at all."""
    text = own(spoken(reply), _given)
    inside = [block for block in blocks(text) if _HEAD.search(block)] or blocks(text)
    text = inside[-1] if inside else text
    head = _HEAD.search(text)
    found = text[head.start() :].strip() if head else text
    return Answer(found or None, ":=" in found)


def _given(text: str) -> int | None:
    head = _HEAD.search(text)
    return head.end() if head else None
