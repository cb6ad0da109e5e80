"""What the values of a file's columns look like: what a mapping is guessed from.

    profiles([{"Frage": "Was?", "Nr": 1}, …])     {"Frage": Profile("Frage", …, asks=1.0), "Nr": Profile(…)}

A column is named by its way: `ask.text` lies in an object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any

from storage.sources.formats import keys
from storage.sources.formats.columns import is_metadata
from storage.sources.formats.turns import are_turns

MOST = 0.9  # share of rows that a property must hold for
_FEW = 20  # values that may be the names of classes
_NAME = 40  # characters of such a name
_ASKING = ("?", "？", ":", "：", "__", "…", "___")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_STATEMENT = re.compile(r"\s*(?:select|with)\b.+\bfrom\b", re.IGNORECASE | re.DOTALL)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Profile:
    """A column's values over the rows that have one: shares from 0 to 1, lengths in characters.

    `counts` is whether it is the rows' own number; `classes` whether few short values come again and again.
    """

    way: str
    present: float
    text: float
    length: float
    asks: float
    letter: float
    number: float
    truth: float
    turns: float
    sql: float
    schema: float
    distinct: int
    counts: bool
    classes: bool
    metadata: bool

    @property
    def is_text(self) -> bool:
        """Whether it holds words that may be part of a lesson."""
        return self.text >= MOST and not self.counts and self.number < MOST

    @property
    def constant(self) -> bool:
        """Whether all rows say the same."""
        return self.distinct == 1


def profiles(found: Sequence[Row]) -> dict[str, Profile]:
    """The profile of each way that a row has, in the order of the rows' own columns."""
    ways = list(dict.fromkeys(way for row in found for way in row))
    return {way: _profile(way, [row.get(way) for row in found]) for way in ways}


def leaves(value: Row, way: str = "") -> Iterator[tuple[str, Any]]:
    """Each cell of a row by its way, those of the objects in it, and those of lists of objects as lists."""
    for name, cell in value.items():
        yield f"{way}{name}", cell
        if isinstance(cell, dict):
            yield from leaves(cell, f"{way}{name}.")
        elif isinstance(cell, list) and cell and all(isinstance(item, dict) for item in cell) and not are_turns(cell):
            for key in cell[0]:
                yield f"{way}{name}[].{key}", [item.get(key) for item in cell]


def families(ways: Sequence[str], among: Mapping[str, Profile]) -> Iterator[list[str]]:
    """Runs of neighbouring columns of texts whose names begin with the same word: "Wahl eins", "Wahl zwei"."""
    run: list[str] = []
    for way in [*ways, ""]:
        if run and way in among and among[way].is_text and _head(way) == _head(run[0]) != "":
            run.append(way)
            continue
        if len(run) > 1:
            yield run
        run = [way] if way in among and among[way].is_text and _head(way) else []


def _head(way: str) -> str:
    """The first word of a name that has more: of "Wahl eins", option_1, antwortB, w1; "" of one that is one word."""
    name = way.rpartition(".")[2]
    words: list[str] = _WORD.findall(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))
    if len(words) > 1:
        return way[: len(way) - len(name)] + words[0].lower()
    return ""


def _profile(way: str, cells: list[Any]) -> Profile:
    held = [cell for cell in cells if not keys.blank(cell)] or [None]
    texts = [cell for cell in held if isinstance(cell, str)]
    distinct = len({str(cell) for cell in held})
    short = all(len(text) <= _NAME for text in texts)

    def share(truths: list[bool]) -> float:
        return fmean(truths) if truths else 0.0

    return Profile(
        way,
        present=share([not keys.blank(cell) for cell in cells]),
        text=share([isinstance(cell, str) for cell in held]),
        length=fmean(map(len, texts)) if texts else 0.0,
        asks=share([text.rstrip().endswith(_ASKING) for text in texts]),
        letter=share([isinstance(cell, str) and keys.is_letter(cell) for cell in held]),
        number=share([keys.is_number(cell) or _is_decimal(cell) for cell in held]),
        truth=share([isinstance(cell, bool) for cell in held]),
        turns=share([are_turns(cell) for cell in held]),
        sql=share([bool(_STATEMENT.match(text)) for text in texts]),
        schema=share(["create table" in text.lower() for text in texts]),
        distinct=distinct,
        counts=_counts(held),
        classes=short and 1 < distinct <= min(_FEW, len(held) / 2) and len(texts) == len(held),
        metadata=is_metadata(way.rpartition(".")[2]),
    )


def _is_decimal(cell: Any) -> bool:
    return isinstance(cell, float) or (isinstance(cell, str) and cell.strip().replace(".", "", 1).isdigit())


def _counts(held: list[Any]) -> bool:
    """Whether the values are the rows' own numbers, one after the other."""
    numbers = [keys.number_of(cell) for cell in held]
    return len(numbers) > 1 and all(
        before is not None and after is not None and after - before == 1 for before, after in pairwise(numbers)
    )
