"""Options that carry their letter in their text: "A) True", "B.…", "C，…", "d.…"."""

from __future__ import annotations

import re

from storage.formats.base import Fault
from storage.records import LETTERS

_LABEL = re.compile(r"\s*(?P<letter>[A-Za-z])(?:\s*[.．)）、，,:：]|\s)\s*")


def unlabelled(options: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The options without their letters, in the letters' order, and notes on what was odd.

    An option whose letter is not in front keeps its words and takes the letter that is left over,
    in order; the note is "stray-label". Fault if none begins with its letter.
    """
    letters = LETTERS[: len(options)]
    found: dict[str, str] = {}
    without: list[str] = []
    for option in options:
        hit = _LABEL.match(option)
        letter = hit["letter"].upper() if hit else ""
        if hit and letter in letters and letter not in found:
            found[letter] = option[hit.end() :].rstrip()
        else:
            without.append(option.strip())
    if without and len(without) == len(options):
        raise Fault("options", f"no option begins with its letter, such as {letters[0]!r}: {options[0][:40]!r}")
    left = (letter for letter in letters if letter not in found)
    found |= dict(zip(left, without, strict=True))
    return tuple(found[letter] for letter in letters), ("stray-label",) if without else ()
