"""Knights and knaves: a puzzle asks who is which; the lines that say so are read back from a reply.

A change of wording or of reading raises VERSION, which is part of every key that depends on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from prompts.turns import Answer, Conversation, asked, own, spoken, template
from storage.records import Message

VERSION = "assignment/3"
_ASK = {
    "en": "Reason step by step. End with a line for each inhabitant, such as `(1) NAME is a knight`.",
    "zh": "请逐步推理。最后每个居民写一行，例如“(1) 姓名是武士”。",
}
TEMPLATE: Mapping[str, str] = template(_ASK)
_LINE = re.compile(r"[\s*_>-]*[（(]?(?P<number>\d+)\s*[)）.．、:：]")


_NUMBERED = re.compile(rf"^{_LINE.pattern}[^\n]*", re.MULTILINE)
_ROLE = re.compile(r"\b(?:knight|knave)s?\b|武士|骑士|无赖", re.IGNORECASE)
_CONDITION = re.compile(r"\b(?:if|were|would|suppose|assum\w+|had)\b|如果|假如|假设|若|要是", re.IGNORECASE)


def ask(conversation: Conversation) -> list[Message]:
    """Messages that ask for everyone's role; the roles are not in them."""
    return asked(conversation, _ASK)


def read(reply: str) -> Answer:
    """The last list of numbered lines that names roles, else the last lines that do, else the last line.

    Reasoning comes in numbered lines as well, so that a list begins anew with each line of number 1; a note behind
    the list names nobody's role, or stands under a condition.
    """
    text = own(spoken(reply), _given, rules=True)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lists: list[list[str]] = []
    for line in lines:
        hit = _LINE.match(line)
        if hit and (int(hit["number"]) == 1 or not lists):
            lists.append([])
        if hit:
            lists[-1].append(line)
    named = [own_lines for own_lines in lists if _says(own_lines[0])]
    if named or not any(_says(line) for line in lines):
        chosen = (named or lists or [lines[-1:]])[-1]
    else:
        chosen = _last_run(lines)
    return Answer("\n".join(chosen) or None, whole=bool(chosen))


def _says(line: str) -> bool:
    return bool(_ROLE.search(line)) and not _CONDITION.search(line)


def _last_run(lines: list[str]) -> list[str]:
    """The last lines, one behind the other, that name roles."""
    end = max(place for place, line in enumerate(lines) if _says(line)) + 1
    start = end
    while start and _says(lines[start - 1]):
        start -= 1
    return lines[start:end]


def _given(text: str) -> int | None:
    lines = (hit for hit in _NUMBERED.finditer(text) if _says(hit[0]))
    return next((hit.end() for hit in lines), None)
