"""Two snapshots row by row, a page at a time: what came, went, changed or moved."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from storage.browse.tables import SIZE, Duck, Row, parquet
from storage.tables.snapshot_catalog import KINDS

Kinds = KINDS
_REMEMBERED = 4
# As `storage.tables.snapshot_catalog` pairs them, over ids alone: texts are read for the rows of a page.
_PAIRED = """
create or replace table "{table}" as
with a as (select id, question, split, shuffle from {a}), b as (select id, question, split, shuffle from {b}),
gone as (
  select *, row_number() over (partition by question order by shuffle, id) as place from a anti join b using (id)
),
new as (
  select *, row_number() over (partition by question order by shuffle, id) as place from b anti join a using (id)
)
select case when n.id is null then 'went' when g.id is null then 'came' else 'changed' end as what, question,
  coalesce(n.split, g.split) as split, g.split as split_before, g.id as before, n.id as after
from gone g full join new n using (question, place)
union all
select 'moved', b.question, b.split, a.split, a.id, b.id from a join b using (id) where a.split <> b.split
"""


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
                    order by what, question, after, before limit {SIZE} offset {(number - 1) * SIZE}""",
                {"kind": kind},
            )
        texts = [
            self._texts(file, [row[x] for row in rows if row[x]])
            for x, file in (("before", sides.a), ("after", sides.b))
        ]
        rows = [{**row, "before": texts[0].get(row["before"]), "after": texts[1].get(row["after"])} for row in rows]
        known = {name: counts.get(name, 0) for name in KINDS}
        return Shown(rows, known, size - known["came"] - known["changed"] - known["moved"], matching, number)

    def _made(self, sides: Sides) -> tuple[str, dict[str, int], int]:
        table = f"diff {next(self._numbers)}"
        self._duck.rows(_PAIRED.format(table=table, a=parquet(sides.a), b=parquet(sides.b)))
        counts = self._duck.rows(f'select what, count(*) as n from "{table}" group by 1')
        [size] = self._duck.rows(f"select count(*) as n from {parquet(sides.b)}")
        return table, {row["what"]: row["n"] for row in counts}, size["n"]

    def _texts(self, file: Path, ids: Sequence[str]) -> dict[str, Row]:
        rows = self._duck.rows(
            f"select id, split, prompt, completion from {parquet(file)} where id in (select unnest($ids))",
            {"ids": list(ids)},
        )
        return {row["id"]: row for row in rows}
