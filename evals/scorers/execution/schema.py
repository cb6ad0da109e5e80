"""CREATE TABLE statements become tables whose columns hold numbers or texts.

Two kinds suffice because the queries are SQLite's, which stores what it is given: a declared type is read by
the substrings of sqlite.org/datatype3.html, section 3.1. Dates and times are texts, as they are there. SQLite itself
reads the statements, in a database of its own in which nothing but a table can be made; what is another system's
(AUTO_INCREMENT, COMMENT) sqlglot reads. What stands between them and makes no table (rows, views, a dump's settings)
is passed over.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

# a statement: up to a semicolon that stands in no text, name or comment
_STATEMENT = re.compile(
    r"(?:'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|[^;])+", re.DOTALL
)
_MAKES_NO_TABLE = re.compile(
    r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*(?:\Z|(?:insert|replace|update|delete|select|pragma|begin|start|commit|end|rollback|set"
    r"|use|lock|unlock|analyze|vacuum|grant|comment\s+on|drop\s+\w+\s+if|create\s+(?:or\s+replace\s+)?(?:temp\w*\s+)?"
    r"(?:view|trigger|virtual|database|schema\b(?!\s*\()))\b)",
    re.IGNORECASE | re.DOTALL,
)
Kind = Literal["number", "text"]
Place = tuple[str, str]  # table and column in lower case: SQL's names have no case

_TEXTS = ("CHAR", "CLOB", "TEXT", "STRING", "OTHER", "DATE", "TIME", "BLOB", "UUID", "JSON", "ENUM")
_REALS = ("REAL", "FLOA", "DOUB", "DECIMAL(", "NUMERIC(")
_MAKES = {
    sqlite3.SQLITE_CREATE_TABLE,
    sqlite3.SQLITE_CREATE_INDEX,
    sqlite3.SQLITE_INSERT,  # these four into the list of tables: others' rows stay out for want of SQLITE_SELECT
    sqlite3.SQLITE_UPDATE,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_REINDEX,
    sqlite3.SQLITE_TRANSACTION,
}


class Unreadable(ValueError):
    """The text is no schema."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `kind` is what it holds, `real` whether its numbers have fractions.

    `declared` and `collation` are as the schema writes them: of both hangs what SQLite compares. `dated` is a text
    that is declared a date or a time; `required` is never NULL.
    """

    name: str
    kind: Kind
    real: bool = False
    declared: str = ""
    collation: str = ""
    dated: bool = False
    required: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `key` is the column, in lower case, of a primary key of one column; "" where none is stated.

    `together` are the columns, in lower case, of a key of several.
    """

    name: str
    columns: tuple[Column, ...]
    key: str = ""
    together: tuple[str, ...] = ()

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
                        replace(c, kind="text", real=False) if (t.name.lower(), c.name.lower()) in places else c
                        for c in t.columns
                    ),
                )
                for t in self.tables
            ),
        )


@lru_cache(maxsize=256)
def schema_of(text: str) -> Schema:
    """The schema that CREATE TABLE statements declare, apart by semicolons. `Unreadable` if they do not."""
    text = ";".join(one for one in _STATEMENT.findall(text) if not _MAKES_NO_TABLE.match(one))
    schema = _made_by_sqlite(text) or _parsed(text)
    names = [t.name.lower() for t in schema.tables]
    if len(set(names)) != len(names) or not all(t.columns for t in schema.tables):
        raise Unreadable("the schema has two tables of one name, or one without columns")
    return schema


def readable(text: str) -> bool:
    """Whether the text is a schema."""
    try:
        return bool(schema_of(text).tables)
    except Unreadable:
        return False


def _made_by_sqlite(text: str) -> Schema | None:
    """The schema as SQLite understands it; None where it does not."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1 << 20)
        connection.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _MAKES else sqlite3.SQLITE_DENY)
        try:
            connection.executescript(text)
        except (sqlite3.Error, sqlite3.Warning, ValueError, RecursionError):
            return None
        connection.set_authorizer(None)
        listed = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
        names = [str(name) for (name,) in connection.execute(f"{listed} ORDER BY rowid")]
        if not names:
            return None
        tables, references = [], []
        for name in names:
            asked = 'SELECT name, type, "notnull", pk FROM pragma_table_xinfo(?)'  # with what is generated
            rows = connection.execute(asked, [name]).fetchall()
            keys = tuple(str(column).lower() for column, _, _, place in rows if place)
            columns = (column_of(str(c), str(kind or "").upper(), required=bool(r or pk)) for c, kind, r, pk in rows)
            tables.append(Table(name, tuple(columns), keys[0] if len(keys) == 1 else "", keys if len(keys) > 1 else ()))
        keyed = {table.name.lower(): table.key for table in tables}
        for name in names:
            for parent, column, target in connection.execute(
                'SELECT "table", "from", "to" FROM pragma_foreign_key_list(?)', [name]
            ):
                there = str(target).lower() if target else keyed.get(str(parent).lower(), "")
                if there:
                    references.append(((name.lower(), str(column).lower()), (str(parent).lower(), there)))
    return _collated(Schema(tuple(tables), tuple(references)), text)


def _collated(schema: Schema, text: str) -> Schema:
    """With the collations that the statements name, which SQLite does not list."""
    if "collate" not in text.lower():
        return schema
    try:
        named = {(t.name.lower(), c.name.lower()): c.collation for t in _parsed(text).tables for c in t.columns}
    except Unreadable:
        return schema
    return replace(
        schema,
        tables=tuple(
            replace(
                t,
                columns=tuple(replace(c, collation=named.get((t.name.lower(), c.name.lower()), "")) for c in t.columns),
            )
            for t in schema.tables
        ),
    )


def _parsed(text: str) -> Schema:
    try:
        statements = [s for s in sqlglot.parse(text, read="sqlite") if s is not None]
    except (SqlglotError, RecursionError) as error:
        raise Unreadable(f"the schema does not parse: {str(error).splitlines()[0]}") from None
    made = [s for s in statements if isinstance(s, exp.Create) and isinstance(s.this, exp.Schema)]
    if not made or len(made) != len(statements):
        raise Unreadable("the schema is not made of CREATE TABLE statements")
    return Schema(tuple(_table(s.this) for s in made), tuple(_references(made)))


def _table(declared: exp.Schema) -> Table:
    columns = [d for d in declared.expressions if isinstance(d, exp.ColumnDef)]
    keys = [d.name for d in columns if d.find(exp.PrimaryKeyColumnConstraint)]
    for constraint in declared.find_all(exp.PrimaryKey):
        keys += [k.name for k in constraint.expressions]
    return Table(declared.this.name, tuple(_column(d) for d in columns), keys[0].lower() if len(set(keys)) == 1 else "")


def _column(declared: exp.ColumnDef) -> Column:
    kind = declared.args.get("kind")
    collation = declared.find(exp.CollateColumnConstraint)
    required = declared.find(exp.NotNullColumnConstraint)
    return column_of(
        declared.name,
        kind.sql("sqlite").upper() if kind is not None else "",
        collation=collation.this.name.upper() if collation is not None else "",
        required=required is not None and not required.args.get("allow_null"),
    )


def column_of(name: str, declared: str, *, collation: str = "", required: bool = False) -> Column:
    """A column by its declared type in upper case; one without a type holds texts."""
    text = not declared or ("INT" not in declared and any(part in declared for part in _TEXTS))
    return Column(
        name,
        "text" if text else "number",
        real=not text and any(part in declared for part in _REALS),
        declared=declared,
        collation=collation if collation in ("NOCASE", "RTRIM") else "",
        dated=text and ("DATE" in declared or "TIME" in declared),
        required=required,
    )


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
