"""What a source comes to while it is read: counts, formats, oddities, the first rejects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from storage.dialogues import Dialogue, Preference, Record
from storage.records import Question, Rejected
from storage.sources import readers
from storage.sources import source as sources
from storage.sources.mapping import Columns
from storage.sources.source_warnings import Oddities

_FEW = 1_000  # rejects that are looked at for the reason why nothing could be read
_TOLD = 5  # parts of a catalogue that a warning names


def elsewhere(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """A warning that tells what a catalogue of another tool names and is not read."""
    missing = sources.elsewhere(paths)
    if not missing:
        return []
    more = "; …" if len(missing) > _TOLD else ""
    message = f"{len(missing):,} parts of the catalogue are not read: {'; '.join(missing[:_TOLD])}{more}"
    return [{"kind": "elsewhere", "count": len(missing), "message": message, "examples": missing}]


class Tally:
    """Counts over the records and rejects of a source, as they pass by."""

    def __init__(
        self, files: Sequence[tuple[str, Path]], format: str | None, columns: Columns, first: int | None
    ) -> None:
        self._files, self._columns, self._first = files, columns, first
        self._formats = readers.formats_of(files, format, columns)
        self._kinds: Counter[str] = Counter()
        self._answered = self._rejected = 0
        self.rejects: list[tuple[str, str]] = []  # field and reason of the first of them
        by_file = {name: format for (name, _), format in zip(files, self._formats, strict=True)}
        self._oddities = Oddities(number=lambda question: by_file[question.file].number(question))

    def items(self) -> Iterator[Record | Rejected]:
        for item in readers.read(self._files, self._formats, self._columns, self._first):
            self._oddities.see(item)
            if isinstance(item, Rejected):
                self._rejected += 1
                if len(self.rejects) < _FEW:
                    self.rejects.append((item.field, item.reason))
            else:
                self._kinds[purpose(item)] += 1
                self._answered += _answered(item)
            yield item

    def facts(self) -> dict[str, Any]:
        return {
            "format": ", ".join(dict.fromkeys(format.name for format in self._formats)),
            "kinds": dict(self._kinds),
            "groups": self._oddities.groups,
            "questions": self._kinds.total(),
            "answered": self._answered,
            "rejected": self._rejected,
        }

    def warnings(self) -> list[dict[str, Any]]:
        return self._oddities.warnings()


def purpose(record: Record) -> str:
    """What a record is to learn from: "choice", a dialogue's task, "preference" or "text"."""
    if isinstance(record, Dialogue):
        return record.task
    return "choice" if isinstance(record, Question) else "preference" if isinstance(record, Preference) else "text"


def _answered(record: Record) -> bool:
    return record.answer is not None if isinstance(record, Question) else isinstance(record, Dialogue | Preference)
