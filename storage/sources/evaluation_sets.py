"""Evaluation sets as something to keep out of training: their texts, and what of them could not be read.

held = EvaluationSets([Path("test.jsonl")], {})
list(held.records()); held.warnings()     [{"kind": "unread-evaluation", "count": 3, "message": "…", "examples": […]}]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from storage.dialogues import Record
from storage.records import Rejected, UsageError
from storage.sources import readers, source
from storage.sources.mapping import Columns

_EXAMPLES = 10
_SAID = 3


class EvaluationSets:
    """The records of evaluation sets, each of its own format; rows that are none are counted.

    `columns` are a user's names, tried first. A key that cannot be read costs nothing: texts are compared.
    """

    def __init__(self, paths: Sequence[Path], columns: Columns) -> None:
        self._paths, self._columns = paths, columns
        self._rejected: dict[Path, list[Rejected]] = {}
        self._counts: dict[Path, int] = {}

    def records(self) -> Iterator[Record]:
        """Every record, set by set. UsageError at the end of a set that has none: it would keep nothing out."""
        for path in self._paths:
            self._rejected[path], self._counts[path] = [], 0
            count = 0
            for item in self._read(path):
                if not isinstance(item, Rejected):
                    count += 1
                    yield item
                    continue
                self._counts[path] += 1
                if len(self._rejected[path]) < _EXAMPLES:
                    self._rejected[path].append(item)
            if not count:
                raise UsageError(
                    "an evaluation set holds no record: nothing would be kept out of training",
                    seen=f"{path}: {'; '.join(_words(one) for one in self._rejected[path][:_SAID]) or 'empty'}",
                    hint="see it by itself: ponens parse FILE",
                )

    def warnings(self) -> list[dict[str, Any]]:
        """One for each set with rows that could not be read, once `records` is at its end."""
        return [self._warning(path, count) for path, count in self._counts.items() if count]

    def _warning(self, path: Path, count: int) -> dict[str, Any]:
        examples = [_words(one) for one in self._rejected[path]]
        more = "; …" if count > _SAID else ""
        return {
            "kind": "unread-evaluation",
            "count": count,
            "message": f"{count:,} rows of the evaluation set {path.name} could not be read, so what they hold is not "
            f"kept out: {'; '.join(examples[:_SAID])}{more}",
            "examples": examples,
        }

    def _read(self, path: Path) -> Iterator[Record | Rejected]:
        files = source.files([path])
        columns = fitting(files, self._columns)
        return readers.read(files, columns=columns, first=0, keyed=False)  # what keys say is not compared


def fitting(files: Sequence[tuple[str, Path]], columns: Columns) -> Columns:
    """A user's names for the source, where the files of another set have such columns too; else none."""
    try:
        readers.formats_of(files, columns=columns)
    except UsageError:
        return {}
    return columns


def _words(reject: Rejected) -> str:
    return f"{reject.file}:{reject.line} {reject.field}: {reject.reason}"
