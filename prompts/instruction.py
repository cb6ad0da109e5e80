"""Instructions and chats: a user who says what to do is asked nothing more; a bare text needs words to go with it.

A change of wording or of reading raises VERSION, which is part of every key that depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping

from prompts.turns import Conversation, asked, spoken
from storage.records import Message

VERSION = "instruction/1"
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


def ask(conversation: Conversation) -> list[Message]:
    """Messages that ask for the answer; it is not in them."""
    words = _ASK.get(conversation.task)
    if words and conversation.task == _TRIPLES and _bare_triple(conversation):
        words = _TAIL
    return asked(conversation, words and {name: _filled(text, name, conversation) for name, text in words.items()})


def read(reply: str) -> str | None:
    """The reply without what was thought before it; None if nothing is left."""
    return spoken(reply) or None


def _bare_triple(conversation: Conversation) -> bool:
    first = conversation.about[_TRIPLES][0]
    return conversation.messages[-2].content == " | ".join(first[:2])


def _filled(text: str, language: str, conversation: Conversation) -> str:
    about = conversation.about
    named = {"source", "target"} <= set(about)
    return text.format(languages=_BETWEEN[language].format(**about) if named else "")
