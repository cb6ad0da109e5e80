"""A batch of texts -> what they are compared by: one digest of the words, and min-hashes of the characters.

Two texts share a band of min-hashes with a probability that rises steeply with the Jaccard similarity s of
their sets of shingles: 1 - (1 - s^8)^8, which is 0.997 at s = 0.95 and 0.99 at 0.9 (Broder 1997; Leskovec et al.,
Mining of Massive Datasets, 3.4). Numbers and options are part of each band's key: texts that differ in these
are not compared at all, because one puzzle is not the copy of another with other numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

from storage.records import normal, normal_problem

SHINGLE = 5  # characters without white space: a Chinese phrase, an English word
BANDS = 8
ROWS = 8
SLOTS = BANDS * ROWS
NUMERALS = "0123456789零〇一二三四五六七八九十百千万两"
_SEED = 1
_TEXTS = 1_000  # at a time: in between, a character takes some 50 bytes
BETWEEN = "\u241f"  # a visible sign that no normal form changes
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd
Words = npt.NDArray[np.uint64]
_IS_NUMERAL = np.zeros(0x110000, dtype=bool)
_IS_NUMERAL[[ord(numeral) for numeral in NUMERALS]] = True


@dataclass(frozen=True, slots=True)
class Said:
    """A record's words in normal form.

    Likeness is measured on `text`; no copy may say one of the `facts` otherwise; no evaluation set may ask
    what is `asked`.
    """

    text: str
    facts: tuple[str, ...]
    asked: str

    @property
    def digest(self) -> str:
        """32 hex digits: the same for records that differ in case, width, white space or order of options."""
        return _digest(BETWEEN.join((self.text, *self.facts)))

    @property
    def asks(self) -> str:
        """32 hex digits: the same for records that ask the same."""
        return _digest(self.asked)


def said(problem: str, question: str, options: Sequence[str]) -> Said:
    """The words of a multiple-choice question; its options stand in the order of their text, and are facts."""
    # a leading sign, so that no option counts as numbered, wherever it stands
    choices = sorted(normal("".join(BETWEEN + option for option in options)).split(BETWEEN)[1:])
    text = BETWEEN.join((normal_problem(problem), normal(question), *choices))
    return Said(text, tuple(choices), text)


def bands(texts: Sequence[str], facts: Sequence[str]) -> tuple[Words, npt.NDArray[np.uint16]]:
    """For each text `BANDS` keys, and its `SLOTS` min-hashes cut to 16 bits.

    Texts with other `facts` or other numbers have no key in common.
    """
    keys, slots = [np.empty((0, BANDS), np.uint64)], [np.empty((0, SLOTS), np.uint16)]
    for start in range(0, len(texts), _TEXTS):
        one, other = _bands(texts[start : start + _TEXTS], facts[start : start + _TEXTS])
        keys.append(one)
        slots.append(other)
    return np.concatenate(keys), np.concatenate(slots)


def _bands(texts: Sequence[str], facts: Sequence[str]) -> tuple[Words, npt.NDArray[np.uint16]]:
    padded = [text.ljust(SHINGLE) for text in texts]
    starts = np.concatenate([[0], np.cumsum([len(text) for text in padded])])
    letters = np.frombuffer("".join(padded).encode("utf-32-le"), np.uint32)
    counts = starts - np.arange(len(starts)) * (SHINGLE - 1)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(runs(letters, starts, SHINGLE), counts, SLOTS, _SEED)
    slots = np.array(matrix.to_rows(), np.uint32)
    keys = (_numbers(letters, starts) ^ _hashes(facts))[:, None] + np.arange(BANDS, dtype=np.uint64)
    for row in range(ROWS):
        keys = _mixed(keys * _MULTIPLIER + slots[:, row::ROWS])
    return keys, slots.astype(np.uint16)


def shingles(text: str) -> set[str]:
    """The set of `SHINGLE` characters in a row; all of a text that is shorter."""
    return {text[start : start + SHINGLE] for start in range(max(1, len(text) - SHINGLE + 1))}


def runs(values: npt.NDArray[Any], starts: npt.NDArray[np.int64], size: int) -> Words:
    """One hash for each `size` values in a row, sequence after sequence; none reaches over its sequence's end.

    Sequence i is values[starts[i] : starts[i + 1]]. One shorter than `size` has none.
    """
    last = max(0, len(values) - size + 1)
    hashes = np.zeros(last, np.uint64)
    for offset in range(size):
        hashes = hashes * _MULTIPLIER + values[offset : last + offset]
    room = np.repeat(starts[1:], np.diff(starts)) - np.arange(len(values))
    return _mixed(hashes[room[:last] >= size])


def _numbers(letters: npt.NDArray[np.uint32], starts: npt.NDArray[np.int64]) -> Words:
    """One hash for the numerals of each text in their order."""
    numeral = _IS_NUMERAL[letters]
    before = np.concatenate([[0], np.cumsum(numeral)])[starts]
    values = letters[numeral].astype(np.uint64)
    place = (np.arange(len(values)) - np.repeat(before[:-1], np.diff(before))).astype(np.uint64)
    sums = np.concatenate([[np.uint64(0)], np.cumsum(_mixed(values * _MULTIPLIER + _mixed(place + np.uint64(1))))])
    return _mixed(sums[before[1:]] - sums[before[:-1]])


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _hashes(texts: Sequence[str]) -> Words:
    digests = (hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(digests), np.uint64)


def _mixed(words: Words) -> Words:
    """Spread every bit over all; overflow is meant."""
    words = (words ^ (words >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    found: Any = words ^ (words >> np.uint64(29))
    return found  # type: ignore[no-any-return]
