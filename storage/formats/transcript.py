r"""Dialogues written as one text, a mark before each turn.

"\\n\\nHuman: Hi\\n\\nAssistant: Hello"             HH-RLHF
"USER: Hi\\n\\n\\nASSISTANT: Hello <|endoftext|>"    Glaive, with FUNCTION RESPONSE between
"Human: 你好\\nAssistant: 你好！\\nHuman: …"          Belle
"""

from __future__ import annotations

import re

from storage.records import Message, Role

_MARKS: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "function response": "tool",
}
_MARK = re.compile(rf"(?:\A|\n)[ \t]*(?P<by>{'|'.join(_MARKS)})[ \t]*[:：][ \t]*", re.IGNORECASE)
_OPENS = re.compile(rf"\s*(?:{'|'.join(_MARKS)})[ \t]*[:：]", re.IGNORECASE)
_FIRST = {mark[0] for mark in _MARKS}
_END = "<|endoftext|>"


def is_transcript(value: object) -> bool:
    """Whether a text begins with the mark of a turn and holds turns of both sides."""
    if not isinstance(value, str) or value.lstrip()[:1].lower() not in _FIRST or not _OPENS.match(value):
        return False
    return {"user", "assistant"} <= {_MARKS[hit["by"].lower()] for hit in _MARK.finditer(value)}


def transcribed(text: str) -> list[Message]:
    """The turns of a transcript; a last turn of an assistant without words, which asks for an answer, is left out."""
    hits = list(_MARK.finditer(text))
    ends = [hit.start() for hit in hits[1:]] + [len(text)]
    turns = [
        Message(_MARKS[hit["by"].lower()], text[hit.end() : end].replace(_END, "").strip())
        for hit, end in zip(hits, ends, strict=True)
    ]
    return turns[:-1] if turns and turns[-1] == Message("assistant", "") else turns
