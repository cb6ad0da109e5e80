"""What comes of a comparison: each task of two subjects with its rows and its verdict, and all together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evals import notebook
from evals.verdict import Verdict
from storage.evaluations.items import Item

Row = Mapping[str, Any]


@dataclass(slots=True)
class Compared:
    """One task of two subjects: how it was compared, its rows on both sides, and the verdict on them."""

    name: str
    first: str
    other: str
    facts: dict[str, Any]
    rows: tuple[list[Row], list[Row]]
    items: list[tuple[Item, Item]]
    warnings: list[str]
    disagreements: list[dict[str, Any]]
    verdict: Verdict | None = None

    @property
    def ids(self) -> list[str]:
        """The questions' names, in the order of rows and items."""
        return [row["id"] for row in self.rows[0]]

    @property
    def judged(self) -> Verdict:
        """The verdict, which `compare` gives to each."""
        assert self.verdict is not None
        return self.verdict

    def dict(self) -> dict[str, Any]:
        return {
            "task": self.name,
            "a": self.first,
            "b": self.other,
            **self.facts,
            **self.judged.dict(),
            "warnings": self.warnings,
        }


@dataclass(slots=True)
class Comparison:
    """All that came of it: the tasks of each other subject in turn, and what is over all tasks, one a subject."""

    subjects: list[dict[str, Any]]
    names: list[str]
    tasks: list[Compared]
    overall: list[Compared]
    warnings: list[str]

    def plot(self) -> notebook.Picture:
        """Every difference with its interval, as a notebook draws it."""
        return notebook.picture(self._judged())

    def _repr_html_(self) -> str:
        return notebook.table(self._judged()) + notebook.picture(self._judged())

    def _judged(self) -> list[notebook.Row]:
        together = [one for one in self.overall if one not in self.tasks]
        return [one.judged.row(one.name, one.first, one.other) for one in (*together, *self.tasks)]

    def dict(self) -> dict[str, Any]:
        """The JSON of `ponens verdict --json`, with the first other's verdict over all at its head."""
        head = self.overall[0] if self.overall else self.tasks[0]
        return {
            **head.judged.dict(),
            "a": head.first,
            "b": head.other,
            "subjects": self.subjects,
            "tasks": [one.dict() for one in self.tasks],
            "overall": [one.dict() for one in self.overall],
            "disagreements": [found for one in self.tasks for found in one.disagreements],
            "warnings": self.warnings,
        }
