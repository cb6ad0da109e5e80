r"""Dialogues written as one text, a mark before each turn.

"\n\nHuman: Hi\n\nAssistant: Hello"             HH-RLHF
"USER: Hi\n\n\nASSISTANT: Hello <|endoftext|>"    Glaive, with FUNCTION RESPONSE between
"Human: 你好\nAssistant: 你好！\nHuman: …"          Belle
"### Human: Hi### Assistant: Hello"               Guanaco; also <human>: and <bot>:
"<|im_start|>user\nHi<|im_end|>…"                 as a chat template renders it: ChatML, Llama 2 and 3, Gemma, Zephyr,
                                                  harmony (its analysis is the reasoning of the answer after it)
"### Instruction:\nHi\n\n### Response:\nHello"    Alpaca's template; words above the first mark are a system turn
"""

from __future__ import annotations

import re

from storage.records import Message, Role
from storage.sources.formats.base import Fault, said
from storage.sources.formats.turns import with_reasoning

_ROLES: dict[str, Role] = {
    **dict.fromkeys(("human", "user", "instruction", "input", "[inst]"), "user"),
    **dict.fromkeys(("assistant", "bot", "model", "response", "[/inst]"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("function response", "tool", "ipython"), "tool"),
}
_WORDS = re.compile(
    r"(?:\A|\n)[ \t]*(?P<by>human|user|assistant|system|function response)[ \t]*[:：][ \t]*", re.IGNORECASE
)
_ANGLES = re.compile(r"\s*<(?P<by>human|user|assistant|bot)>[ ]*:\s*", re.IGNORECASE)
# marks that no prose has: they may stand anywhere in a line
_SIGNS = (
    re.compile(r"\s*###[ ]*(?P<by>human|user|assistant|system)[ ]*:\s*", re.IGNORECASE),
    _ANGLES,
    re.compile(r"\s*<\|im_start\|>(?P<by>system|user|assistant|tool)\n"),
    re.compile(
        r"\s*(?:<\|begin_of_text\|>\s*)?<\|start_header_id\|>(?P<by>system|user|assistant|tool|ipython)"
        r"<\|end_header_id\|>\s*"
    ),
    re.compile(r"\s*(?:<bos>)?<start_of_turn>(?P<by>user|model|system)\n"),
    re.compile(r"\s*<\|(?P<by>system|user|assistant)\|>[ \t]*\n"),
    re.compile(r"\s*(?:</?s>\s*)*(?P<by>\[/?INST\])\s*"),
    re.compile(
        r"\s*<\|start\|>(?P<by>system|developer|user|assistant)"
        r"(?:<\|channel\|>(?P<channel>\w+)[^<]*)?(?:<\|constrain\|>\w*)?<\|message\|>"
    ),
    re.compile(
        r"(?:\A\s*(?P<before>Below is an instruction[^#]*))?(?:\A|\n)\s*#{2,3}[ ]*"
        r"(?P<by>instruction|input|response)[ ]*:\s*",
        re.IGNORECASE,
    ),
)
_ENDS = re.compile(r"<\|(?:endoftext|im_end|eot_id|end_of_text|end|return)\|>|<end_of_turn>|<eos>|</s>")
_THINKS = re.compile(r"<\|im_start\|>think\n(?P<thoughts>.*?)\s*<\|im_start\|>answer\n", re.DOTALL)  # s1K's
_CALL = "<|call|>"  # harmony's, after a call of a tool
_SYSTEM = re.compile(r"\A<<SYS>>\s*(?P<system>.*?)\s*<</SYS>>\s*", re.DOTALL)  # Llama 2's, within a user's turn
_LETTERS = frozenset("hHuUaAsSfF")  # with which a mark in words begins
_MARKS = frozenset("#<[B")  # with which a sign begins


def is_plain(value: object) -> bool:
    """Whether a text's first letter says already that it is neither a transcript nor JSON."""
    return type(value) is str and (first := value[:1]).isalpha() and first not in _LETTERS and first not in _MARKS


def is_transcript(value: object) -> bool:
    """Whether a text begins with the mark of a turn and holds turns of both sides."""
    return _hits(value, words=True) is not None


def is_marked(value: object) -> bool:
    """Whether a text is a transcript by marks that no prose has."""
    return _hits(value, words=False) is not None


def transcribed(value: object, field: str) -> list[Message] | None:
    """The turns of a transcript; None for any other value.

    A last turn of an assistant without words, which asks for an answer, is left out. Fault for a damaged text, and
    for calls of tools as harmony writes them.
    """
    if (hits := _hits(value, words=True)) is None:
        return None
    if _CALL in said(value, field):
        raise Fault("text", f"a call of a tool in harmony's marks ({_CALL}) has no reader: write the turns as messages")
    text = hits[0].string
    ends = [hit.start() for hit in hits[1:]] + [len(text)]
    turns: list[Message] = []
    thoughts = ""
    for hit, end in zip(hits, ends, strict=True):
        marks = hit.groupdict()
        words = _ENDS.sub("", text[hit.end() : end]).strip()
        if marks.get("channel") == "analysis":
            thoughts = words
            continue
        if marks.get("before"):
            turns.append(Message("system", marks["before"].strip()))
        if aside := _THINKS.match(words):
            thoughts, words = aside["thoughts"], words[aside.end() :]
        words, role = with_reasoning(thoughts, words) if thoughts else words, _ROLES[hit["by"].lower()]
        if "before" in marks and turns and turns[-1].role == role == "user":  # an instruction and its input
            words = "\n\n".join(filter(None, (turns.pop().content, words)))
        turns += _turn(role, words)
        thoughts = ""
    return turns[:-1] if turns and turns[-1] == Message("assistant", "") else turns


def _turn(role: Role, words: str) -> list[Message]:
    """The turn that a mark begins, after a system prompt that stands within it."""
    if role == "user" and (hit := _SYSTEM.match(words)):
        return [Message("system", hit["system"]), Message("user", words[hit.end() :])]
    return [Message(role, words)]


def _hits(value: object, *, words: bool) -> list[re.Match[str]] | None:
    """The marks of a transcript; those in words, which prose may have as well, only where `words` says so."""
    if not isinstance(value, str):
        return None
    opening = value.lstrip()
    first = opening[:1]
    if first not in _MARKS and not (words and first in _LETTERS):
        return None
    for style in _SIGNS if first in _MARKS else (_WORDS,):
        if style.match(opening):
            hits = list(style.finditer(opening))
            sides = {_ROLES[hit["by"].lower()] for hit in hits}
            alone = style is _ANGLES and sides == {"user"}  # a question of its own in a file of dialogues
            return hits if alone or {"user", "assistant"} <= sides else None
    return None
