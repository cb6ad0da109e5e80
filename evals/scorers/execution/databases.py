"""Rows for a schema, made for two queries: what they compare with is in the tables, and what they join on meets.

A distinct database has columns of nearly distinct values, so that an order has few ties; the others repeat few
values, so that groups are large and DISTINCT matters. Values are drawn with weights 1, 1/2, 1/3 …, so that
groups differ in size. A stated key is unique in the table it belongs to. NULL stands only in columns that a
query asks for NULL. Everything is a function of the seed.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from evals.scorers.execution.clues import Clues, is_date, is_number
from evals.scorers.execution.schema import Column, Place, Schema, Table
from storage.records import seed_of

Value = int | float | str | None
_WORDS = ("Amber", "Birch", "Cedar", "Dune", "Ember", "Fjord", "Grove", "Heath", "Islet", "Juniper", "Kelp", "Maple")
_BEGINS_AS_DAY = re.compile(r"(?P<year>(?:19|20)\d\d)-?(?:(?P<month>\d\d)-?)?%")
_MONTH = re.compile(r"%-(\d\d)-%|_{4}-(\d\d)%")
_LARGEST = 100  # rows that a group is given because a query asks for so many
_WHEN = ("date", "time", "day", "created", "birth")


@dataclass(frozen=True, slots=True)
class File:
    """A SQLite file, read only; `turned` has what has no order come in the reverse one."""

    path: str
    reverse: bool = False

    def turned(self) -> File:
        return File(self.path, not self.reverse)


@dataclass(frozen=True, slots=True)
class Data:
    """The rows of some tables, column by column: `columns[table][i]` are the values of its i-th column."""

    tables: tuple[Table, ...]
    columns: Mapping[str, tuple[tuple[Value, ...], ...]]

    def turned(self) -> Data:
        """The same rows, the last first: whichever of two tied rows was first met is now the other."""
        return Data(self.tables, {name: tuple(c[::-1] for c in columns) for name, columns in self.columns.items()})


def generate(schema: Schema, clue: Clues, seed: int, *, distinct: bool = False, loose: bool = False) -> Data:
    """One database with the tables of `clue.tables`."""
    return _Maker(schema, clue, seed, distinct=distinct, loose=loose).data()


class _Maker:
    def __init__(self, schema: Schema, clue: Clues, seed: int, *, distinct: bool, loose: bool) -> None:
        self.draw = random.Random(seed_of("database", seed))
        self.distinct, self.loose = distinct, loose
        self.step = 1 if distinct else self.draw.randint(1, 3)
        self.clue = clue
        self.tables = [t for t in schema.tables if t.name.lower() in clue.tables]
        self.of = {(t.name.lower(), c.name.lower()): c for t in self.tables for c in t.columns}
        self.keys = {(t.name.lower(), t.key) for t in schema.tables if t.key}
        self.owners = _owners(schema)
        self.stated = {child for child, _ in schema.references}
        self.owners -= {place for place in clue.repeated if self._refers_by(place)}
        self.classes = _classes(schema, clue, self.owners, self.of)
        self.parents = self.draw.randint(6, 12)
        self.children = max(self.draw.randint(24, 48), 4 * min(clue.size + 2, _LARGEST))
        self.pools: dict[Place, list[Value]] = {}
        self.said: dict[Place, list[Value]] = {}

    def data(self) -> Data:
        made = {}
        for table in self.tables:
            places = [(table.name.lower(), c.name.lower()) for c in table.columns]
            size = self.parents if any(self._owns(p) for p in places) else self.children
            made[table.name] = _unique(table, tuple(tuple(self._values(p, size)) for p in places))
        return Data(tuple(self.tables), made)

    def _owns(self, place: Place) -> bool:
        """A key that other columns refer to."""
        return place in self.owners and any(q != place and self.classes[q] == self.classes[place] for q in self.of)

    def _values(self, place: Place, size: int) -> list[Value]:
        pool = self._pool(place)
        if place in self.owners:
            more = (self._fill(self.of[place], place, i) for i in range(4 * size))
            kept = list(dict.fromkeys(self._typed(v, place) for v in (*pool, *more)))[:size]
            self.draw.shuffle(kept)
            return [self._typed(v, place) for v in kept]
        refers = self._refers(place)
        if self.loose and refers:
            pool = pool[: max(2, len(pool) * 3 // 4)]  # the others are referred to by no row
        if self.distinct and self._alone(place) and place not in self.clue.grouped:
            values = self._spread(place, pool, size)
        else:
            values = self.draw.choices(pool, weights=[1 / (i + 1) for i in range(len(pool))], k=size)
        if self.loose and refers:
            values = [self._nowhere(place, i) if self.draw.random() < 0.1 else v for i, v in enumerate(values)]
        share = self._absent(place, refers or place in self.stated)
        return [None if share and self.draw.random() < share else self._typed(v, place) for v in values]

    def _refers(self, place: Place) -> bool:
        """Whether a column refers to a key that is here."""
        return any(q in self.owners and q != place and self.classes[q] == self.classes[place] for q in self.of)

    def _refers_by(self, place: Place) -> bool:
        """Whether a stated key is one of several columns, for a query that counts its rows joins it to the real one."""
        pairs = [*self.clue.joined, *((b, a) for a, b in self.clue.joined)]
        others = (b for a, b in pairs if a == place and b in self.owners and b[0] != place[0])
        return any(key == "id" or _likeness(table, key) > _likeness(*place) for table, key in others)

    def _nowhere(self, place: Place, index: int) -> Value:
        """A value that no key has."""
        return 900_000 + index if self.of[place].kind == "number" else f"Nowhere{index}"

    def _absent(self, place: Place, refers: bool) -> float:
        """The share of a column's values that are NULL."""
        if place in self.clue.always or self.of[place].required or place in self.keys:
            return 0.0
        if place in self.clue.nullable:
            return 0.3
        return 0.15 if self.loose and (refers or place in self.clue.sometimes) else 0.0

    def _spread(self, place: Place, pool: list[Value], size: int) -> list[Value]:
        """Mostly distinct; what queries compare with comes often enough to be found together with the rest."""
        said = self._said(place)
        values = [
            self.draw.choice(said) if said and self.draw.random() < 0.5 else self._fill(self.of[place], place, 7 + i)
            for i in range(size)
        ]
        self.draw.shuffle(values)  # or the rows would lie in their order
        return values

    def _alone(self, place: Place) -> bool:
        return sum(1 for q in self.of if self.classes[q] == self.classes[place]) == 1

    def _pool(self, place: Place) -> list[Value]:
        """The values that a column and all that it is joined with draw from."""
        root = self.classes[place]
        if root not in self.pools:
            members = sorted(q for q in self.of if self.classes[q] == root)
            guide = next((q for q in members if self.of[q].kind == "number"), place)
            said = [v for q in members for v in self._said(q)]
            many = self.parents if any(q in self.owners for q in members) else self.draw.randint(3, 6)
            pool = said + [self._fill(self.of[guide], guide, i) for i in range(many)]
            pool = list(dict.fromkeys(pool))
            self.draw.shuffle(pool)
            self.pools[root] = pool[: max(many, len(said))] if len(members) > 1 else pool
        return self.pools[root]

    def _said(self, place: Place) -> list[Value]:
        """What queries compare a column with, and for a number or a day its neighbours."""
        if place in self.said:
            return self.said[place]
        values: list[Value] = []
        for text in sorted(self.clue.values.get(place, ())):
            if self.of[place].kind == "number" and is_number(text):
                number = float(text)
                near = [number, number + 1, number - 1, *([number + 0.5] if self.of[place].real else [])]
                values += [int(n) if n.is_integer() and abs(n) < 2**53 else n for n in near]
            elif self.of[place].kind == "text":
                values.append(_day_like(text) or text.replace("%", "").replace("_", "a"))
                values += _days_beside(text)
        self.said[place] = list(dict.fromkeys(values))
        return self.said[place]

    def _fill(self, column: Column, place: Place, index: int) -> Value:
        """The index-th value that nobody asked for."""
        said = self._said(place)
        if column.kind == "number":
            base = max((v for v in said if isinstance(v, int)), default=0)
            value = (base if index % 2 else 0) + 1 + index * self.step
            if (centre := self.clue.centres.get(place)) is not None:
                value = centre + (1 if index % 2 else -1) * (1 + index * self.step)
            return value + self.draw.randint(1, 99) / 100 if column.real else value
        if self._dated(column, place):
            return self._day(column, said, index)
        numbers = [str(v) for v in said if is_number(str(v))]
        if place in self.clue.counted or (said and len(numbers) == len(said)):
            return str(int(float(numbers[0] if numbers else 5)) + index * 2 - 5)
        return f"{_WORDS[index % len(_WORDS)]}{index // len(_WORDS) or ''}"

    def _dated(self, column: Column, place: Place) -> bool:
        if place in self.clue.dated:
            return True
        named = any(word in place[1] for word in _WHEN) and place not in self.clue.counted
        said = self.clue.values.get(place, ())
        return column.dated or any(map(is_date, said)) or (named and all(is_date(v) or "%" in v for v in said))

    def _day(self, column: Column, said: Sequence[Value], index: int) -> str:
        """A day near those that are compared with, else of the last 75 years; with a time where they have one."""
        days = [str(v) for v in said if is_date(str(v))]
        year = int(days[index % len(days)][:4]) - 3 + index % 7 if days else 1948 + index * 17 % 75
        timed = len(days[0]) > 10 if days else "TIME" in column.declared
        day = f"{year:04}-{1 + index * 5 % 12:02}-{1 + index * 11 % 28:02}"
        return f"{day} {index % 24:02}:{index * 7 % 60:02}:00" if timed else day

    def _typed(self, value: Value, place: Place) -> Value:
        """A shared value as this column stores it; a text in a column of numbers becomes its position's number."""
        if value is None or (self.of[place].kind == "text") == isinstance(value, str):
            return value
        if isinstance(value, str):
            return int(float(value)) if is_number(value) else seed_of(value) % 1000
        return str(value)


def _unique(table: Table, columns: tuple[tuple[Value, ...], ...]) -> tuple[tuple[Value, ...], ...]:
    """The rows without those that repeat another's key of several columns."""
    if not table.together:
        return columns
    places = [i for i, column in enumerate(table.columns) if column.name.lower() in table.together]
    rows = {tuple(row[i] for i in places): row for row in zip(*columns, strict=True)}
    return tuple(zip(*rows.values(), strict=True))


def _owners(schema: Schema) -> set[Place]:
    """Columns that are unique: a stated key, unless another table has it too and its name says it is that one's.

    Lists of columns that give one column of a composite key are common (Spider's `tables.json` is one).
    """
    parents = {parent for _, parent in schema.references}
    children = {child for child, _ in schema.references}
    found = set(parents)
    stated = [(t.name.lower(), t.key) for t in schema.tables if t.key]
    for table, key in stated:
        rivals = [other for other, its in stated if its == key and other != table]
        known = key != "id" and any((rival, key) in parents for rival in rivals)
        if (table, key) in children - parents or known:
            continue
        if not rivals or key == "id" or _likeness(table, key) >= max(_likeness(r, key) for r in rivals):
            found.add((table, key))
    for unkeyed in schema.tables:
        first = unkeyed.columns[0].name.lower()
        place = (unkeyed.name.lower(), first)
        named = first in ("id", f"{place[0]}_id", f"{place[0].rstrip('s')}_id", f"{place[0]}id")
        if not unkeyed.key and named and place not in children:
            found.add(place)
    return found


def _likeness(table: str, key: str) -> float:
    stem = key.removesuffix("_id").removesuffix("id")
    if stem.rstrip("s") == table.rstrip("s"):
        return 2.0
    return len(stem) / len(table) if stem and stem in table else 0.0


def _classes(schema: Schema, clue: Clues, owners: set[Place], of: Mapping[Place, Column]) -> dict[Place, Place]:
    """Each column's class by its first member: columns of one class draw from the same values."""
    root = {place: place for place in of}

    def find(place: Place) -> Place:
        while root[place] != place:
            place = root[place]
        return place

    by_name: dict[str, Place] = {key: (table, key) for table, key in sorted(owners) if key != "id"}
    named = [(place, by_name[place[1]]) for place in of if place[1] in by_name]
    for one, other in [*schema.references, *clue.joined, *named]:
        if one in of and other in of:
            first, second = sorted((find(one), find(other)))
            root[second] = first
    return {place: find(place) for place in of}


def _days_beside(text: str) -> list[Value]:
    """The day before and the day after; nothing for what is no day."""
    try:
        day = date.fromisoformat(text[:10])
        return [(day + timedelta(days=n)).isoformat() + text[10:] for n in (-1, 1)] if is_date(text) else []
    except (ValueError, OverflowError):
        return []


def _day_like(pattern: str) -> str | None:
    """A day that the pattern of a LIKE takes, such as 2014-%, 2014-03% or %-03-%; None for another pattern."""
    if hit := _BEGINS_AS_DAY.fullmatch(pattern):
        return f"{hit['year']}-{hit['month'] or '05'}-17"
    return f"2012-{hit[1] or hit[2]}-17" if (hit := _MONTH.fullmatch(pattern)) else None
