"""Questions in words over small schemas, and the SQLite query that answers each: the family of text-to-SQL.

Rows out: `{"question", "context", "answer"}`, context being the CREATE TABLE statements. A few rows share a schema; no
two schemas are alike, so that a split by schema tests on tables that were never seen.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

ROWS_PER_SCHEMA = 6
# noun, its plural, and its columns: texts that name a row, categories with their values, numbers with their range
_THINGS: tuple[tuple[str, str, str, dict[str, tuple[str, ...]], dict[str, tuple[int, int]]], ...] = (
    ("singer", "singers", "name", {"country": ("France", "Japan", "Brazil"), "genre": ("jazz", "rock", "folk")},
     {"age": (18, 80), "albums": (1, 30), "awards": (0, 12)}),
    ("city", "cities", "name", {"region": ("north", "south", "east"), "climate": ("dry", "mild", "wet")},
     {"population": (1000, 900000), "elevation": (0, 3000), "parks": (0, 60)}),
    ("employee", "employees", "name", {"department": ("sales", "law", "research"), "office": ("Oslo", "Lima", "Cairo")},
     {"salary": (20000, 90000), "age": (18, 66), "years": (0, 40)}),
    ("book", "books", "title", {"language": ("English", "Chinese", "Spanish"), "genre": ("crime", "travel", "poetry")},
     {"pages": (40, 900), "price": (3, 60), "year": (1950, 2024)}),
    ("student", "students", "name", {"major": ("physics", "law", "art"), "house": ("red", "blue", "green")},
     {"age": (17, 40), "credits": (0, 180), "score": (0, 100)}),
    ("ship", "ships", "name", {"flag": ("Malta", "Panama", "Norway"), "type": ("tanker", "ferry", "trawler")},
     {"length": (10, 400), "crew": (2, 90), "tonnage": (50, 90000)}),
    ("team", "teams", "name", {"league": ("first", "second", "third"), "color": ("red", "white", "black")},
     {"wins": (0, 40), "losses": (0, 40), "points": (0, 110)}),
    ("film", "films", "title", {"country": ("India", "Italy", "Korea"), "rating": ("G", "PG", "R")},
     {"minutes": (60, 220), "budget": (1, 300), "year": (1960, 2024)}),
    ("plant", "plants", "name", {"family": ("rose", "mint", "lily"), "habitat": ("forest", "marsh", "dune")},
     {"height": (2, 900), "petals": (3, 40), "seeds": (1, 500)}),
    ("shop", "shops", "name", {"district": ("harbor", "center", "hill"), "kind": ("bakery", "bookshop", "florist")},
     {"staff": (1, 60), "rent": (300, 9000), "rooms": (1, 12)}),
    ("train", "trains", "name", {"line": ("coast", "valley", "summit"), "operator": ("Rail One", "Nord", "Metro")},
     {"cars": (2, 20), "seats": (60, 900), "speed": (60, 320)}),
    ("museum", "museums", "name", {"city": ("Rome", "Quito", "Delhi"), "subject": ("art", "war", "science")},
     {"rooms": (2, 80), "visitors": (500, 900000), "founded": (1800, 2020)}),
    ("player", "players", "name", {"position": ("goalkeeper", "defender", "forward"), "hand": ("left", "right")},
     {"goals": (0, 60), "matches": (1, 400), "height": (160, 210)}),
    ("lake", "lakes", "name", {"country": ("Finland", "Canada", "Kenya"), "water": ("fresh", "salt")},
     {"depth": (2, 600), "area": (1, 9000), "islands": (0, 90)}),
    ("course", "courses", "title", {"level": ("basic", "advanced"), "subject": ("logic", "history", "biology")},
     {"hours": (4, 120), "places": (5, 300), "fee": (0, 900)}),
    ("bridge", "bridges", "name", {"material": ("steel", "stone", "wood"), "river": ("Rhine", "Nile", "Volga")},
     {"length": (10, 3000), "lanes": (1, 8), "opened": (1700, 2023)}),
)  # fmt: skip
# how a row belongs to another table: its noun, plural and text column
_OWNERS = (
    ("owner", "owners", "name"), ("sponsor", "sponsors", "name"), ("manager", "managers", "name"),
    ("designer", "designers", "name"), ("publisher", "publishers", "title"), ("agency", "agencies", "name"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Schema:
    """One thing with some of its columns, and perhaps the table that its rows belong to."""

    noun: str
    table: str
    text: str
    categories: dict[str, tuple[str, ...]]
    numbers: dict[str, tuple[int, int]]
    owner: tuple[str, str, str] | None

    @property
    def context(self) -> str:
        """The CREATE TABLE statements."""
        columns = [
            f"{self.text} TEXT",
            *(f"{c} TEXT" for c in self.categories),
            *(f"{n} INTEGER" for n in self.numbers),
        ]
        if self.owner is None:
            return f"CREATE TABLE {self.table} ({', '.join(columns)})"
        noun, plural, text = self.owner
        link = f"FOREIGN KEY ({noun}_id) REFERENCES {plural}({noun}_id)"
        return (
            f"CREATE TABLE {plural} ({noun}_id INTEGER PRIMARY KEY, {text} TEXT); "
            f"CREATE TABLE {self.table} ({', '.join(columns)}, {noun}_id INTEGER, {link})"
        )


Shape = Callable[[Schema, random.Random], tuple[str, str] | None]


def generate(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """`count` rows, the same for the same seed; no question stands twice over one schema."""
    rng = random.Random(seed)
    seen: set[str] = set()
    made = 0
    while made < count:
        schema = _schema(rng)
        if schema.context in seen:
            continue
        seen.add(schema.context)
        for question, query in _asked(schema, rng)[: count - made]:
            yield {
                "id": f"queries-{made:06d}", "question": question, "context": schema.context, "answer": query,
            }  # fmt: skip
            made += 1


def _schema(rng: random.Random) -> Schema:
    noun, table, text, categories, numbers = rng.choice(_THINGS)
    chosen = rng.sample(sorted(categories), rng.randint(1, len(categories)))
    counted = rng.sample(sorted(numbers), rng.randint(1, len(numbers)))
    owner = rng.choice(_OWNERS) if rng.random() < 0.4 else None
    named = f"{rng.choice(_PLACES)}_{table}"
    return Schema(
        noun, named, text, {c: categories[c] for c in chosen}, {n: numbers[n] for n in counted}, owner
    )  # fmt: skip


_PLACES = (
    "old", "new", "local", "city", "river", "summer", "winter", "club", "county", "royal", "northern", "southern",
    "famous", "rented", "listed", "annual", "coastal", "public", "private", "partner",
)  # fmt: skip


def _asked(schema: Schema, rng: random.Random) -> list[tuple[str, str]]:
    shapes = rng.sample(_SHAPES, len(_SHAPES))
    rows = [row for shape in shapes if (row := shape(schema, rng))]
    return list(dict.fromkeys(rows))[:ROWS_PER_SCHEMA]


def _plural(schema: Schema) -> str:
    return schema.table.replace("_", " ")


def _count(schema: Schema, rng: random.Random) -> tuple[str, str]:
    return f"How many {_plural(schema)} are there?", f"SELECT count(*) FROM {schema.table}"


def _list(schema: Schema, rng: random.Random) -> tuple[str, str]:
    column = rng.choice([*schema.categories, *schema.numbers])
    return (
        f"Show the {schema.text} and the {column} of all {_plural(schema)}.",
        f"SELECT {schema.text}, {column} FROM {schema.table}",
    )


def _where(schema: Schema, rng: random.Random) -> tuple[str, str]:
    column, values = rng.choice(sorted(schema.categories.items()))
    value = rng.choice(values)
    return (
        f"What are the {schema.text}s of the {_plural(schema)} whose {column} is {value}?",
        f"SELECT {schema.text} FROM {schema.table} WHERE {column} = '{value}'",
    )


def _more(schema: Schema, rng: random.Random) -> tuple[str, str]:
    column, (low, high) = rng.choice(sorted(schema.numbers.items()))
    value, (words, sign) = (
        rng.randint(low, high),
        rng.choice((("more than", ">"), ("less than", "<"), ("at least", ">="))),
    )
    return (
        f"Which {_plural(schema)} have a {column} of {words} {value}? Show the {schema.text}.",
        f"SELECT {schema.text} FROM {schema.table} WHERE {column} {sign} {value}",
    )


def _aggregate(schema: Schema, rng: random.Random) -> tuple[str, str]:
    column = rng.choice(sorted(schema.numbers))
    word, function = rng.choice((("average", "avg"), ("highest", "max"), ("lowest", "min"), ("total", "sum")))
    return (
        f"What is the {word} {column} of the {_plural(schema)}?",
        f"SELECT {function}({column}) FROM {schema.table}",
    )


def _counted(schema: Schema, rng: random.Random) -> tuple[str, str]:
    column, values = rng.choice(sorted(schema.categories.items()))
    value = rng.choice(values)
    return (
        f"How many {_plural(schema)} have the {column} {value}?",
        f"SELECT count(*) FROM {schema.table} WHERE {column} = '{value}'",
    )


def _grouped(schema: Schema, rng: random.Random) -> tuple[str, str]:
    column = rng.choice(sorted(schema.categories))
    return (
        f"For each {column}, how many {_plural(schema)} are there?",
        f"SELECT {column}, count(*) FROM {schema.table} GROUP BY {column}",
    )


def _top(schema: Schema, rng: random.Random) -> tuple[str, str]:
    column = rng.choice(sorted(schema.numbers))
    word, order = rng.choice((("highest", "DESC"), ("lowest", "ASC")))
    return (
        f"What is the {schema.text} of the {schema.noun} with the {word} {column}?",
        f"SELECT {schema.text} FROM {schema.table} ORDER BY {column} {order} LIMIT 1",
    )


def _distinct(schema: Schema, rng: random.Random) -> tuple[str, str]:
    column = rng.choice(sorted(schema.categories))
    return (
        f"How many different {column} values do the {_plural(schema)} have?",
        f"SELECT count(DISTINCT {column}) FROM {schema.table}",
    )


def _having(schema: Schema, rng: random.Random) -> tuple[str, str]:
    column, number = rng.choice(sorted(schema.categories)), rng.choice(sorted(schema.numbers))
    return (
        f"For each {column}, what is the average {number} of the {_plural(schema)}?",
        f"SELECT {column}, avg({number}) FROM {schema.table} GROUP BY {column}",
    )


def _joined(schema: Schema, rng: random.Random) -> tuple[str, str] | None:
    if schema.owner is None:
        return None
    noun, plural, text = schema.owner
    return (
        f"Show the {schema.text} of each of the {_plural(schema)} and the {text} of its {noun}.",
        f"SELECT T1.{schema.text}, T2.{text} FROM {schema.table} AS T1 JOIN {plural} AS T2 "
        f"ON T1.{noun}_id = T2.{noun}_id",
    )


_SHAPES: tuple[Shape, ...] = (
    _count, _list, _where, _more, _aggregate, _counted, _grouped, _top, _distinct, _having, _joined,
)  # fmt: skip
