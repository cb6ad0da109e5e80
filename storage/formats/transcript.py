r"""Dialogues written as one text, a mark before each turn.

"\n\nHuman: Hi\n\nAssistant: Hello"             HH-RLHF
"USER: Hi\n\n\nASSISTANT: Hello <|endoftext|>"    Glaive, with FUNCTION RESPONSE between
"Human: 你好\nAssistant: 你好！\nHuman: …"          Belle
"### Human: Hi### Assistant: Hello"               Guanaco; also <human>: and <bot>:, <|im_start|>user
"""

from __future__ import annotations

import re

from storage.records import Message, Role

_ROLES: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "assistant": "assistant",
    "bot": "assistant",
    "system": "system",
    "function response": "tool",
}
_WORDS = re.compile(
    r"(?:\A|\n)[ \t]*(?P<by>human|user|assistant|system|function response)[ \t]*[:：][ \t]*", re.IGNORECASE
)
_ANGLES = re.compile(r"\s*<(?P<by>human|user|assistant|bot)>[ ]*:\s*", re.IGNORECASE)
# marks that no prose has: they may stand anywhere in a line
_SIGNS = (
    re.compile(r"\s*###[ ]*(?P<by>human|user|assistant|system)[ ]*:\s*", re.IGNORECASE),
    _ANGLES,
    re.compile(r"\s*<\|im_start\|>(?P<by>system|user|assistant)\n"),
)
_ENDS = re.compile(r"<\|endoftext\|>|<\|im_end\|>")
_FIRST = frozenset("hHuUaAsSfF#<")


def is_transcript(value: object) -> bool:
    """Whether a text begins with the mark of a turn and holds turns of both sides."""
    return _style(value, (_WORDS, *_SIGNS)) is not None


def is_marked(value: object) -> bool:
    """Whether a text is a transcript by marks that no prose has."""
    return _style(value, _SIGNS) is not None


def transcribed(text: str) -> list[Message]:
    """The turns of a transcript; a last turn of an assistant without words, which asks for an answer, is left out."""
    hits = list((_style(text, (_WORDS, *_SIGNS)) or _WORDS).finditer(text))
    ends = [hit.start() for hit in hits[1:]] + [len(text)]
    turns = [
        Message(_ROLES[hit["by"].lower()], _ENDS.sub("", text[hit.end() : end]).strip())
        for hit, end in zip(hits, ends, strict=True)
    ]
    return turns[:-1] if turns and turns[-1] == Message("assistant", "") else turns


def _style(value: object, styles: tuple[re.Pattern[str], ...]) -> re.Pattern[str] | None:
    if not isinstance(value, str) or (opening := value.lstrip())[:1] not in _FIRST:
        return None
    for style in styles:
        if style.match(opening):
            sides = {_ROLES[hit["by"].lower()] for hit in style.finditer(value)}
            alone = style is _ANGLES and sides == {"user"}  # a question of its own in a file of dialogues
            return style if alone or {"user", "assistant"} <= sides else None
    return None
