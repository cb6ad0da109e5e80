r"""The options of a question that comes as one text, as `prompts.choice.body` writes them.

>>> options_of("Who sits left?\nA) Mia\nB) Tom")
('Mia', 'Tom')
"""

from __future__ import annotations

import re

from storage.records import LETTERS

_LETTERED = re.compile(r"^[ \t]*[(（]?([A-Z])[.):、．）：][ \t]*(\S.*)$", re.MULTILINE)


def options_of(text: str) -> tuple[str, ...]:
    """Its last lines that go A, B, C and so on, without their letters; () if there are fewer than two."""
    found = _listed(text)
    return tuple(line[2].strip() for line in found)


def parted(text: str) -> tuple[str, str]:
    """What stands before these lines, and they themselves to the end; the whole text and "" without any."""
    found = _listed(text)
    return (text[: found[0].start()].strip(), text[found[0].start() :].strip()) if found else (text.strip(), "")


def _listed(text: str) -> list[re.Match[str]]:
    found: list[re.Match[str]] = []
    for line in _LETTERED.finditer(text):
        if line[1] == "A":
            found = []
        if line[1] == LETTERS[len(found) % len(LETTERS)]:
            found.append(line)
    return found if len(found) > 1 else []
