"""Text to SQL: the schema and, below it, the question ask for one query; the query is read back from a reply.

A change of wording or of reading raises VERSION, which is part of every key that depends on it.
"""

from __future__ import annotations

import re

from prompts.turns import Conversation, asked, unwrapped
from storage.records import Message

VERSION = "sql/1"
_ASK = {
    "en": "Answer with one SQL query over these tables and nothing else.",
    "zh": "只回答一条针对这些表的 SQL 查询，不要写别的内容。",
}
_QUERY = re.compile(r"^\s*(?:select|with)\b.*?(?=;|\n\s*\n|\Z)", re.IGNORECASE | re.MULTILINE | re.DOTALL)


def ask(conversation: Conversation) -> list[Message]:
    """Messages that ask for the query; it is not in them."""
    return asked(conversation, _ASK)


def read(reply: str) -> str | None:
    """The query that the reply gives: from a line that begins one to its semicolon or a blank line.

    A reply without such a line is taken as it is, for it may be what a database refuses; None if it is empty.
    """
    text = unwrapped(reply)
    found = _QUERY.search(text)
    return (found[0] if found else text).strip() or None
