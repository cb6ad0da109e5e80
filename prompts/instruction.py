"""Instructions and chats: a user who says what to do is asked nothing more; a bare text needs words to go with it.

A change of wording or of reading raises VERSION, which is part of every key that depends on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from prompts.turns import Answer, Conversation, asked, own, spoken
from storage.records import Message

VERSION = "instruction/3"
TEMPLATE: Mapping[str, str] = {}
_TRIPLES = "triples"
_ASK: Mapping[str, Mapping[str, str]] = {
    "translation": {
        "en": "Translate this text{languages}. Answer with the translation alone.",
        "zh": "翻译这段文字{languages}。只回答译文。",
    },
    "classification": {
        "en": "Which label fits this text? Answer with the label alone.",
        "zh": "这段文字属于哪个标签？只回答标签。",
    },
    "summary": {"en": "Summarise this text.", "zh": "概括这段文字。"},
    "tagging": {
        "en": "Label each word of this sentence: a line for each word, the word, a tab, its label.",
        "zh": "为这句话的每个词标注：每个词一行，先写词，再写制表符和标签。",
    },
    _TRIPLES: {
        "en": "List the facts that this text states, a line each: head | relation | tail.",
        "zh": "列出这段文字陈述的事实，每行一条：头实体 | 关系 | 尾实体。",
    },
}
_TAIL = {
    "en": "What completes this triple of head and relation? Answer with its tail alone.",
    "zh": "这个三元组给出了头实体和关系，尾实体是什么？只回答尾实体。",
}
_BETWEEN = {"en": " from {source} to {target}", "zh": "（{source} → {target}）"}


# "Sure! Here is the dialogue:", "User: hi": what follows is the answer and no invented turn
_ANNOUNCES = re.compile(
    r"[:：]\s*\Z|^\W*(?:sure|certainly|of\s+course|okay|ok|here|好的?|当然|以下)\b|^\W*[\w ]{1,20}[:：]\s",
    re.IGNORECASE,
)


def ask(conversation: Conversation) -> list[Message]:
    """Messages that ask for the answer; it is not in them."""
    words = _ASK.get(conversation.task)
    if words and conversation.task == _TRIPLES and _bare_triple(conversation):
        words = _TAIL
    return asked(conversation, words and {name: _filled(text, name, conversation) for name, text in words.items()})


def read(reply: str) -> Answer:
    """The reply without what was thought before it and what is invented after it; no text if nothing is left."""
    text = own(spoken(reply), _given, problems=False)
    return Answer(text or None, whole=bool(text))


def _given(text: str) -> int | None:
    """Where an invented turn may begin: behind the first line, unless that announces more or is itself a turn."""
    head = text.partition("\n")[0]
    return None if _ANNOUNCES.search(head) else len(head)


def _bare_triple(conversation: Conversation) -> bool:
    first = conversation.about[_TRIPLES][0]
    return conversation.messages[-2].content == " | ".join(first[:2])


def _filled(text: str, language: str, conversation: Conversation) -> str:
    about = conversation.about
    named = {"source", "target"} <= set(about)
    return text.format(languages=_BETWEEN[language].format(**about) if named else "")
