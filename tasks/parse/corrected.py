"""The words of people on keys, laid over the questions of a source as they pass by, and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from storage.corrections import AMBIGUOUS, Corrections
from storage.records import Question, Rejected, Split
from storage.tables import questions


class Overlay:
    """Questions with the keys that people gave them; `left_out` grows by those that they called ambiguous."""

    def __init__(self, corrections: Corrections | None, side: Callable[[str], Split]) -> None:
        self._corrections, self._side = corrections, side
        self._seen: set[str] = set()
        self._changed: set[str] = set()
        self._ambiguous: dict[str, Split] = {}
        self.left_out: dict[str, str] = {}

    def each(self, items: Iterator[Question | Rejected]) -> Iterator[Question | Rejected]:
        """The items, corrected. UsageError for an option that is not there and, at the end, for unknown questions."""
        for item in items:
            yield self._corrected(self._corrections, item) if self._corrections else item
        if self._corrections:
            self._corrections.require(self._seen)

    def facts(self, folder: Path) -> dict[str, Any]:
        """How many questions of those kept in `folder` have another key, and how many are left out, by their split."""
        if not self._changed and not self._ambiguous:
            return {}
        found = {"corrected": questions.sides(folder, self._changed), AMBIGUOUS: self._ambiguous.values()}
        return {"corrections": {name: _by_split(Counter(splits)) for name, splits in found.items()}}

    def _corrected(self, corrections: Corrections, item: Question | Rejected) -> Question | Rejected:
        if isinstance(item, Rejected) or item.id not in corrections.words:
            return item
        self._seen.add(item.id)
        if corrections.words[item.id].says == AMBIGUOUS:
            self.left_out[item.id] = AMBIGUOUS
            self._ambiguous[item.id] = self._side(item.group)
            return item
        answer = corrections.applied(item)
        if answer == item.answer:
            return item
        self._changed.add(item.id)
        return replace(item, answer=answer)


def _by_split(counts: Counter[Any]) -> dict[str, int]:
    return {split: counts[split] for split in get_args(Split)}
