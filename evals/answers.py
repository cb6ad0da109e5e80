"""Keys and answers as people and tools write them, brought to one form so that like is compared with like.

>>> plain(" b. "), plain("Ｂ"), plain(["B"]), plain(1.0), plain("1"), plain("  ")
('B', 'B', 'B', '1', '1', None)

A letter is a letter in any case, in brackets, quotes or bold, before a full stop or behind "option" and "answer:";
a number is its shortest form, whatever its JSON type; a list of one value is that value; text without a character is no
answer. Other texts keep their words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from storage import records

_LETTER = re.compile(r"[(\[{]?\s*([A-Za-z])\s*[)\]}]?\s*[.,:;]?")
_NAMED = re.compile(
    r"(?:(?:the\s+)?(?:(?:correct|final|best)\s+)?(?:answer|ans|option|choice)(?:\s+is)?\b|答案是?|选项?)[\s:]*"
    r"[(\[{]?([A-Za-z])[)\]}]?[.,:;]?",
    re.IGNORECASE,
)
_AROUND = {
    "**": "**",
    "__": "__",
    "*": "*",
    "`": "`",
    "$": "$",
    '"': '"',
    "'": "'",
    "“": "”",
    "‘": "’",
    "\\boxed{": "}",
}
_OPENS = frozenset(mark[0] for mark in _AROUND)
_LONGEST = 32  # characters of a letter with what is said around it
_SPACE = " \t\r\n\f\v\ufeff\u200b"
_WHOLE = re.compile(r"([+-]?\d+)\.0+")
Plain = str | frozenset[str] | None


def plain(value: object) -> Plain:
    """The one form of a key or an answer; None where it is none. A list of several values is a set of their forms.

    TypeError for what is neither text, number, truth value nor a list of such.
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        parts = [plain(part) for part in value]
        if any(isinstance(part, frozenset) for part in parts):
            raise TypeError("a list of lists")
        texts = frozenset(part for part in parts if isinstance(part, str))
        return next(iter(texts)) if len(texts) == 1 else texts or None
    raise TypeError(type(value).__name__)


def sensitive_to_case(keys: Iterable[Plain]) -> bool:
    """Whether two keys differ in case alone: then case tells answers apart, else it does not."""
    texts = {key for key in keys if isinstance(key, str)}
    return len({text.casefold() for text in texts}) < len(texts)


def folded(value: Plain, *, cased: bool) -> Plain:
    """The form that two values are compared by."""
    if cased or value is None:
        return value
    return value.casefold() if isinstance(value, str) else frozenset(part.casefold() for part in value)


def _number(value: float) -> str | None:
    if not math.isfinite(value):
        return None
    return str(int(value)) if value.is_integer() else repr(value)


def _text(value: str) -> str | None:
    text = records.folded(value).strip(_SPACE)
    if text[:1] in _OPENS:
        text = _bare(text)
    if len(text) <= _LONGEST and (letter := _LETTER.fullmatch(text) or _NAMED.fullmatch(text)):
        return letter[1].upper()
    if whole := _WHOLE.fullmatch(text):
        return whole[1]
    return " ".join(text.split()) or None


def _bare(text: str) -> str:
    """A text without the quotes, the bold or the box around all of it."""
    for opens, closes in _AROUND.items():
        if text.startswith(opens) and text.endswith(closes) and len(text) > len(opens) + len(closes):
            return _bare(text[len(opens) : -len(closes)].strip(_SPACE))
    return text
