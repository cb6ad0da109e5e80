"""CREATE TABLE statements become tables whose columns hold numbers or texts.

Two kinds suffice because the queries are SQLite's, which stores what it is given: a declared type is read by
the substrings of sqlite.org/datatype3.html, section 3.1. Dates and times are texts, as they are there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

Kind = Literal["number", "text"]
Place = tuple[str, str]  # table and column in lower case: SQL's names have no case

_TEXTS = ("CHAR", "CLOB", "TEXT", "STRING", "OTHER", "DATE", "TIME", "BLOB", "UUID", "JSON")
_REALS = ("REAL", "FLOA", "DOUB", "DECIMAL(")  # NUMBER, too, is DECIMAL to the parser, without digits


class Unreadable(ValueError):
    """The text is no schema."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `kind` is what it holds, `real` whether its numbers have fractions."""

    name: str
    kind: Kind
    real: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `key` is the column, in lower case, of a primary key of one column; "" where none is stated."""

    name: str
    columns: tuple[Column, ...]
    key: str = ""

    def column(self, name: str) -> Column | None:
        return next((c for c in self.columns if c.name.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Schema:
    """Tables, and which column refers to which (`references`: from child to parent)."""

    tables: tuple[Table, ...]
    references: tuple[tuple[Place, Place], ...] = ()

    def table(self, name: str) -> Table | None:
        return next((t for t in self.tables if t.name.lower() == name.lower()), None)

    def as_text(self, places: Collection[Place]) -> Schema:
        """The same with texts in these columns."""
        return replace(
            self,
            tables=tuple(
                replace(
                    t,
                    columns=tuple(
                        Column(c.name, "text") if (t.name.lower(), c.name.lower()) in places else c for c in t.columns
                    ),
                )
                for t in self.tables
            ),
        )


def schema_of(text: str) -> Schema:
    """The schema that CREATE TABLE statements declare, apart by semicolons. `Unreadable` if they do not."""
    try:
        statements = [s for s in sqlglot.parse(text, read="sqlite") if s is not None]
    except (SqlglotError, RecursionError) as error:
        raise Unreadable(f"the schema does not parse: {str(error).splitlines()[0]}") from None
    made = [s for s in statements if isinstance(s, exp.Create) and isinstance(s.this, exp.Schema)]
    if not made or len(made) != len(statements):
        raise Unreadable("the schema is not made of CREATE TABLE statements")
    tables = tuple(_table(s.this) for s in made)
    names = [t.name.lower() for t in tables]
    if len(set(names)) != len(names) or not all(t.columns for t in tables):
        raise Unreadable("the schema has two tables of one name, or one without columns")
    return Schema(tables, tuple(_references(made)))


def _table(declared: exp.Schema) -> Table:
    columns = [d for d in declared.expressions if isinstance(d, exp.ColumnDef)]
    keys = [d.name for d in columns if d.find(exp.PrimaryKeyColumnConstraint)]
    for constraint in declared.find_all(exp.PrimaryKey):
        keys += [k.name for k in constraint.expressions]
    return Table(declared.this.name, tuple(_column(d) for d in columns), keys[0].lower() if len(set(keys)) == 1 else "")


def _column(declared: exp.ColumnDef) -> Column:
    kind = declared.args.get("kind")
    name = kind.sql().upper() if kind is not None else ""
    if "INT" not in name and any(part in name for part in _TEXTS):
        return Column(declared.name, "text")
    return Column(declared.name, "number", any(part in name for part in _REALS))


def _references(made: Sequence[exp.Expression]) -> Iterator[tuple[Place, Place]]:
    for statement in made:
        child = statement.this.this.name.lower()
        for key in statement.find_all(exp.ForeignKey):
            target = key.args["reference"].this if key.args.get("reference") else None
            if isinstance(target, exp.Schema):
                for one, other in zip(key.expressions, target.expressions, strict=False):
                    yield (child, one.name.lower()), (target.this.name.lower(), other.name.lower())
        for column in statement.this.find_all(exp.ColumnDef):
            for reference in column.find_all(exp.Reference):
                if isinstance(reference.this, exp.Schema):
                    parent = reference.this
                    yield (child, column.name.lower()), (parent.this.name.lower(), parent.expressions[0].name.lower())
