"""Replies read by our own extractor: letters where keys are letters, else numbers, else whole texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from evals.answers import folded, plain
from storage.evaluations.items import Item
from storage.records import LETTERS, Question

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_FEWEST = 4  # letters, where neither options nor keys say how many there are
_NO_TEXT = "\x00"  # stands for an option whose text is not known: no reply has it


class Read(NamedTuple):
    """What a reply says, None where it says nothing; `by` is the extractor that found it, or why there is nothing."""

    answer: str | None
    by: str


class Keyed(NamedTuple):
    """One item's key as replies are compared with it, and the question that they answer; None for no letters."""

    gold: str
    question: Question | None


def keyed(items: Sequence[Item]) -> tuple[list[Keyed | None], str]:
    """Each item's key, None where it has none, and what replies are compared as: "letters", "numbers" or "texts"."""
    letters = [_letter(item) for item in items]
    if all(letter is not None or item.key in (None, "", []) for letter, item in zip(letters, items, strict=True)):
        most = max([_FEWEST, *(LETTERS.index(letter) + 1 for letter in letters if letter)])
        return [
            Keyed(letter, _question(item, letter, most)) if letter else None
            for letter, item in zip(letters, items, strict=True)
        ], "letters"
    keys = [_text(item.key) for item in items]
    if all(key is None or _NUMBER.fullmatch(key) for key in keys):
        return [Keyed(key.replace(",", ""), None) if key else None for key in keys], "numbers"
    return [Keyed(key, None) if key else None for key in keys], "texts"


def reading(text: str, key: Keyed, how: str) -> Read:
    """What one reply says."""
    if key.question is not None:
        from prompts.reading import read  # its expressions take a tenth of a second, and a tool's own marks need none

        found = read(text, key.question)
        return Read(found.answer, found.extractor)
    if how == "numbers":
        numbers = _NUMBER.findall(text)
        return Read(str(plain(numbers[-1].replace(",", ""))), "last number") if numbers else Read(None, "unreadable")
    said = plain(text)
    return Read(said, "whole text") if isinstance(said, str) else Read(None, "unreadable")


def _text(key: object) -> str | None:
    try:
        found = plain(key)
    except TypeError:
        return None
    return found if isinstance(found, str) else None


def _letter(item: Item) -> str | None:
    """The letter of a key: a letter, an option's own text, or a text that ends in an answer, such as a label."""
    key = _text(item.key)
    if key is None or (key in LETTERS and len(key) == 1):
        return key
    from prompts.lettered import options_of
    from prompts.reading import read

    options = item.options or options_of(item.prompt)
    same = [n for n, option in enumerate(options) if folded(plain(option), cased=False) == key.casefold()]
    if len(same) == 1 and same[0] < len(LETTERS):
        return LETTERS[same[0]]
    if _NUMBER.fullmatch(key):
        return None
    return read(str(item.key), _question(item, None, len(LETTERS))).answer


def _question(item: Item, letter: str | None, letters: int) -> Question:
    from prompts.lettered import options_of

    options = tuple(item.options) or options_of(item.prompt)
    if (
        not 2 <= len(options) <= len(LETTERS)
        or len(set(options)) < len(options)
        or (letter and letter not in LETTERS[: len(options)])
    ):
        options = tuple(_NO_TEXT + LETTERS[n] for n in range(letters))
    return Question("", "", options)
