"""Options that carry their own label: "A) True", "(B) …", "C、…", "Ｄ．…", "1. …".

A label needs a mark behind it, or every option of the row must begin with its letter, in order: "A dog"
among other options is a dog. What is left of a label's options may be anything but lists of letters
("A、B", "B、C"), which are no labels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from storage.records import LETTERS, folded
from storage.sources.formats.base import Fault

_LETTER = "[A-Za-zＡ-Ｚａ-ｚ]"
_MARKED = re.compile(
    rf"\s*(?:[(（\[【]\s*(?P<inside>{_LETTER}|\d{{1,2}})\s*[)）\]】]\s*[.．、:：]?"
    rf"|(?P<bare>{_LETTER})\s*(?P<mark>[.．。)）、:：])"
    r"|(?P<digit>\d{1,2})\s*(?:[)）]|(?P<dot>[、:：]|[.．](?=\s))))\s*"
)
_BLANK = re.compile(rf"\s*(?P<bare>{_LETTER})(?:\s*[，,]\s*|\s+)")
_SENTENCE = re.compile(r"\s*[AI]\s+[a-z0-9]")  # a letter and a blank that are words
_LOST = re.compile(r"\s*(?P<bare>[A-Za-z])?(?:\s*[.．、，,]\s*|(?=[\u3400-\u9fff]))")
_WEAK = "、:：,，"  # they stand in lists of letters as well
_LISTS = re.compile(r"[A-Z](?:\s*(?:[、,，:：/]|and|or|和|与|及)?\s*[A-Z])*")
_BEGINS = re.compile(rf"\s*(?:[(（\[【]|{_LETTER}[^A-Za-z]|\d{{1,2}}\s*[)）、:：.．])")
_NAMED = re.compile(r"(?<![A-Za-z])[A-H]\s*[:：]")  # "A: a knight, B: a knave"
_STARTS = re.compile(
    r"(?:^|(?<=[\s,;，；。？?．]))"
    rf"(?:[(（\[]\s*(?P<inside>{_LETTER})\s*[)）\]]|(?P<bare>{_LETTER})\s*(?P<mark>[.．)）、:：]))\s*",
    re.MULTILINE,
)


class Labelled(NamedTuple):
    """Options without their labels; `labels` is None where they carry none, upper-case letters or digits else.

    `scrambled` is whether letters stand out of their order: then nothing is taken off, and a letter as a
    key could mean a label or a place.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...] | None = None
    scrambled: bool = False
    notes: tuple[str, ...] = ()


def labelled(options: Sequence[str]) -> Labelled:
    """Options without labels that all of them carry in order, or all but fewer than half (note `stray-label`)."""
    if not may_carry_labels(options):
        return Labelled(tuple(options))
    letters = tuple(LETTERS[: len(options)])
    for pattern in (_MARKED, _BLANK):
        hits = [pattern.match(option) for option in options]
        found = tuple(map(_label, hits))
        if found in (letters, tuple(str(n + 1) for n in range(len(options)))):
            texts = tuple(option[hit.end() :].rstrip() for option, hit in zip(options, hits, strict=True) if hit)
            return Labelled(tuple(options)) if _is_list(hits, texts) else Labelled(texts, found)
    hits = [_MARKED.match(option) for option in options]
    found = tuple(map(_label, hits))
    if sorted(found) == sorted(letters):
        return Labelled(tuple(options), scrambled=True)
    own = [label == letter for label, letter in zip(found, letters, strict=True)]
    if len(options) > 2 and sum(own) * 2 > len(options):
        texts = tuple(
            option[hit.end() :].rstrip() if hit and mine else _without_rest(option, letter)
            for option, hit, mine, letter in zip(options, hits, own, letters, strict=True)
        )
        return Labelled(texts, letters, notes=("stray-label",))
    return Labelled(tuple(options))


def may_carry_labels(options: Sequence[str]) -> bool:
    """Whether one of the first two options begins as a label does: without that none are labelled."""
    return any(map(_may_begin, options[:2]))


def _may_begin(option: str) -> bool:
    return not (option[:2].isalpha() and option.isascii()) and _BEGINS.match(option) is not None


def _without_rest(option: str, letter: str) -> str:
    """An option among labelled ones without what is left of its own label: its letter or its mark alone."""
    hit = _LOST.match(option)
    return option[hit.end() :].strip() if hit and (hit["bare"] or letter).upper() == letter else option.strip()


def marked(text: str) -> tuple[str, str] | None:
    """The label that a text begins with, and the rest; None if there is none."""
    hit = _MARKED.match(text)
    return (_label(hit), text[hit.end() :].rstrip()) if hit else None


def unlabelled(options: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Options that are known to carry letters, without them, in the letters' order, and notes on what was odd.

    An option whose letter is not in front keeps its words and takes the letter that is left over,
    in order; the note is "stray-label". Fault if none begins with its letter.
    """
    letters = LETTERS[: len(options)]
    found: dict[str, str] = {}
    kept: list[str] = []
    # marks first: a blank is a mark only for a letter that none of them names
    for option in sorted(options, key=lambda option: _MARKED.match(option) is None):
        hit = _MARKED.match(option) or _BLANK.match(option)
        label = _label(hit)
        sentence = hit is not None and hit.re is _BLANK and bool(found) and _SENTENCE.match(option)
        if hit and label in letters and label not in found and not sentence:
            found[label] = option[hit.end() :].rstrip()
        else:
            kept.append(option.strip())
    if len(kept) == len(options):
        raise Fault("options", f"no option begins with its letter, such as {letters[0]!r}: {options[0][:40]!r}")
    left = (letter for letter in letters if letter not in found)
    found |= dict(zip(left, kept, strict=True))
    return tuple(found[letter] for letter in letters), ("stray-label",) if kept else ()


def lettered(text: str) -> tuple[str, tuple[str, ...]] | None:
    """A text that ends in lettered options, as the text before them and the options; None if there are none.

    The letters must follow each other from A, each with a mark, on lines of their own or all in one.
    """
    hits: list[re.Match[str]] = []
    for hit in _STARTS.finditer(text):
        label = _label(hit)
        if label == "A":
            hits = [hit]  # the last run counts: a text may speak of letters before
        elif hits and len(hits) < len(LETTERS) and label == LETTERS[len(hits)]:
            hits.append(hit)
    if len(hits) < 2:
        return None
    ends = [hit.start() for hit in hits[1:]] + [len(text)]
    options = tuple(
        text[hit.end() : end].strip().rstrip(",;，；").rstrip() for hit, end in zip(hits, ends, strict=True)
    )
    return (text[: hits[0].start()].rstrip(), options) if all(options) else None


def _label(hit: re.Match[str] | None) -> str:
    if hit is None:
        return ""
    held = hit.groupdict()
    return folded(held.get("inside") or held.get("bare") or held.get("digit") or "").upper()


def _is_list(hits: Sequence[re.Match[str] | None], texts: Sequence[str]) -> bool:
    """Whether what looks like labels is a list ("A、B", "B、C"), or all that there is."""
    marks = [hit[0].strip()[-1:] if hit else "" for hit in hits]
    weak = all(mark in _WEAK or mark.isalnum() for mark in marks)
    lists = all(_LISTS.fullmatch(text) for text in texts) or any(_NAMED.search(text) for text in texts)
    return not any(texts) or (weak and lists)
