"""Which rationales of one question to keep: no near-copies, and the few that differ most.

    rows of one question that agree with its key ──select──▶ for each row None (kept), "near-copy" or "surplus"

Rows are those of `rationales.parquet`. All choices follow one order that does not depend on how rows
arrive: rationales found without the key first, then by sample, then by text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from evals.report.rationales import is_hinted
from storage.records import folded, language_of

Dropped = Literal["near-copy", "surplus"]
Row = Mapping[str, Any]
_GRAM = {"en": 5, "zh": 3}  # a Han character says about as much as a syllable
# Markup and punctuation are no difference in reasoning; relations and connectives are.
_NOISE = re.compile(r"[^\w<>=≤≥≠+\-/^¬∧∨→↔]+|_+")


def select(rows: Sequence[Row], most: int, near_copy: float) -> list[tuple[int, Dropped | None]]:
    """Each row's index and why it is dropped, None for the at most `most` rows that are kept.

    A near-copy has a similarity of `near_copy` or more, in (0, 1], to a row before it in the order.
    Of the others, the first in the order is kept, then again and again the one whose nearest kept
    neighbour is farthest (Gonzalez 1985, "Clustering to minimize the maximum intercluster distance"),
    ties by the order; rows that saw the key only once no other is left. ValueError outside the bounds.
    """
    if most < 1 or not 0 < near_copy <= 1:
        raise ValueError(f"most {most}, near_copy {near_copy}; expected at least 1, and a share in (0, 1]")
    shapes = [shape(row["text"]) for row in rows]
    distinct: list[int] = []
    for index in sorted(range(len(rows)), key=lambda i: _place(rows[i])):
        if all(similarity(shapes[index], shapes[other]) < near_copy for other in distinct):
            distinct.append(index)
    kept = _farthest(distinct, shapes, [is_hinted(row) for row in rows], most)
    why: dict[int, Dropped | None] = {**dict.fromkeys(distinct, "surplus"), **dict.fromkeys(kept)}
    return [(index, why.get(index, "near-copy")) for index in range(len(rows))]


def shape(text: str) -> frozenset[str]:
    """The character n-grams of a text, 3 long in Chinese and 5 in English, without case, spaces and punctuation."""
    plain = _NOISE.sub("", folded(text).casefold())
    n = _GRAM[language_of(plain)]
    return frozenset(plain[i : i + n] for i in range(max(1, len(plain) - n + 1)))


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """Jaccard's: what two sets share, of all that is in either."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def _place(row: Row) -> tuple[bool, int, str, str]:
    return is_hinted(row), int(row["sample"]), str(row["text"]), str(row["request"])


def _farthest(ordered: Sequence[int], shapes: Sequence[frozenset[str]], hinted: Sequence[bool], most: int) -> list[int]:
    kept: list[int] = []
    nearest = dict.fromkeys(ordered, 0.0)  # similarity to the nearest that is kept
    while nearest and len(kept) < most:
        # min takes the first of equals, and the dict is in the order.
        chosen = min(nearest, key=lambda i: (hinted[i], nearest[i]))
        kept.append(chosen)
        del nearest[chosen]
        for index in nearest:
            nearest[index] = max(nearest[index], similarity(shapes[index], shapes[chosen]))
    return kept
