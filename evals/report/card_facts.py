"""What a data card is made of: the structure between the build of a snapshot and its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

_BINS = 14


class TokenFacts(TypedDict):
    """Lengths of prompt and completion together, in tokens of `tokenizer`, of `rows` examples."""

    tokenizer: str
    rows: int
    quantiles: list[int]
    bins: list[tuple[int, int, int]]


class CardFacts(TypedDict):
    """What a card shows; `description` is storage.tables.card_sql's, `drops` counts by step and reason.

    `made_of` says what an example is, `names` what its sources and their groups are called,
    `corrected` what people did to its keys, "" for nothing.
    """

    name: str
    snapshot: str
    prompt: str
    made_of: str
    names: tuple[str, str]
    licenses: Mapping[str, str]
    description: Mapping[str, Any]
    tokens: TokenFacts | None
    drops: Sequence[tuple[str, str, int]]
    shuffled: Mapping[str, int]
    corrected: NotRequired[str]


def bins(lengths: Sequence[int]) -> list[tuple[int, int, int]]:
    """A histogram of equal steps over whole numbers: (lowest, highest, count) of each step."""
    if not lengths:
        return []
    low, high = min(lengths), max(lengths)
    width = max(1, -(-(high - low + 1) // _BINS))
    counts = [0] * (-(-(high - low + 1) // width))
    for length in lengths:
        counts[(length - low) // width] += 1
    return [(low + i * width, low + (i + 1) * width - 1, count) for i, count in enumerate(counts)]


def quantiles(lengths: Sequence[int]) -> list[int]:
    """Median, 95 % and longest; empty without lengths."""
    ordered = sorted(lengths)
    return [ordered[round(share * (len(ordered) - 1))] for share in (0.5, 0.95, 1.0)] if ordered else []
