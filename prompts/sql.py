"""Text to SQL: the schema and, below it, the question ask for one query; the query is read back from a reply.

A change of wording or of reading raises VERSION, which is part of every key that depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping

from prompts.queries import begins, query
from prompts.turns import Answer, Conversation, asked, own, spoken, template
from storage.records import Message

VERSION = "sql/3"
_ASK = {
    "en": "Answer with one SQL query over these tables and nothing else.",
    "zh": "只回答一条针对这些表的 SQL 查询，不要写别的内容。",
}
TEMPLATE: Mapping[str, str] = template(_ASK)


def ask(conversation: Conversation) -> list[Message]:
    """Messages that ask for the query; it is not in them."""
    return asked(conversation, _ASK)


def read(reply: str) -> Answer:
    """The last query of the reply that reads (`prompts.queries`), and how many there are where there are several.

    A reply without a query is taken as it is, for it may be what a database refuses.
    """
    text = spoken(reply)
    mine = own(text, begins)
    found = query(mine)
    note = f"the last of {found.queries} queries in the reply" if found.queries > 1 else ""
    return Answer(found.text, found.whole or len(mine) < len(text), note)
