"""Two snapshots row by row, a page at a time: what came, went, changed or moved (see `storage.catalog`)."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from storage.browse.tables import SIZE, Duck, Row, parquet
from storage.catalog import DIFFERENCES, KINDS
from storage.sqlfiles import word_for_word

Kinds = KINDS
_REMEMBERED = 4


@dataclass(frozen=True, slots=True)
class Sides:
    """The files of examples of two snapshots."""

    a: Path
    b: Path


@dataclass(frozen=True, slots=True)
class Shown:
    """Rows of a page, with counts by kind and of those that are the same."""

    rows: Sequence[Row]
    counts: Mapping[str, int]
    same: int
    matching: int
    page: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.matching // SIZE))


class Diffs:
    """The differences that were looked at last; snapshots never change."""

    def __init__(self, duck: Duck) -> None:
        self._duck = duck
        self._known: dict[Sides, tuple[str, dict[str, int], int]] = {}
        self._numbers = count()
        self._lock = threading.Lock()

    def page(self, sides: Sides, kind: str = "", number: int = 1) -> Shown:
        """The differences of one kind, or of all. PonensError if a file is damaged."""
        with self._lock:
            if sides not in self._known:
                while len(self._known) >= _REMEMBERED:
                    self._duck.rows(f'drop table if exists "{self._known.pop(next(iter(self._known)))[0]}"')
                self._known[sides] = self._made(sides)
            table, counts, size = self._known[sides]
            matching = counts.get(kind, 0) if kind else sum(counts.values())
            number = min(number, max(1, -(-matching // SIZE)))
            rows = self._duck.rows(
                f"""select * from "{table}" where $kind = '' or what = $kind
                    order by what, question, after.id, before.id limit {SIZE} offset {(number - 1) * SIZE}""",
                {"kind": kind},
            )
        known = {name: counts.get(name, 0) for name in KINDS}
        return Shown(rows, known, size - known["came"] - known["changed"] - known["moved"], matching, number)

    def _made(self, sides: Sides) -> tuple[str, dict[str, int], int]:
        table = f"diff {next(self._numbers)}"
        self._duck.rows(
            f'create or replace table "{table}" as {DIFFERENCES}',
            {x: word_for_word(file) for x, file in (("a", sides.a), ("b", sides.b))},
        )
        counts = self._duck.rows(f'select what, count(*) as n from "{table}" group by 1')
        [size] = self._duck.rows(f"select count(*) as n from {parquet(sides.b)}")
        return table, {row["what"]: row["n"] for row in counts}, size["n"]
