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
    found: list[str] = []
    for line in _LETTERED.finditer(text):
        letter, option = line.groups()
        if letter == "A":
            found = []
        if letter == LETTERS[len(found) % len(LETTERS)]:
            found.append(option.strip())
    return tuple(found) if len(found) > 1 else ()
