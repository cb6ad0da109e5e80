"""Whose SQL a recipe's queries are, and so what runs them: SQLite, as Spider's and BIRD's are, or DuckDB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sqlglot import exp

from evals.scorers.base import DialectName
from evals.scorers.execution import guard
from evals.scorers.execution.schema import Schema


@dataclass(frozen=True, slots=True)
class Query:
    """A query as it runs, and its syntax tree; None where there is none to look at."""

    text: str
    tree: exp.Query | None

    @property
    def ordered(self) -> bool:
        """Whether its outermost part asks for an order."""
        return self.tree is not None and self.tree.args.get("order") is not None


class Dialect(Protocol):
    """`name` is also that of the engine that runs it."""

    @property
    def name(self) -> DialectName: ...

    def read(self, text: str, schema: Schema) -> Query:
        """The query of a text. `guard.Invalid` or `guard.Refused` where it can be told that it is none."""

    def write(self, tree: exp.Query) -> str:
        """A query to run from a tree made of a query's."""


class Sqlite:
    """SQLite's queries run as they are written."""

    name: DialectName = "sqlite"

    def read(self, text: str, schema: Schema) -> Query:
        tree = guard.look(text)
        return Query(text, _quoted_strings(tree, schema) if tree is not None else None)

    def write(self, tree: exp.Query) -> str:
        return tree.sql("sqlite", comments=False)


class Duckdb:
    """DuckDB's queries are written anew from what the guard lets pass."""

    name: DialectName = "duckdb"

    def read(self, text: str, schema: Schema) -> Query:
        tree = guard.parse(text, schema)
        return Query(self.write(tree), tree)

    def write(self, tree: exp.Query) -> str:
        return tree.sql("duckdb", comments=False, identify=True)


DIALECTS: dict[DialectName, Dialect] = {"sqlite": Sqlite(), "duckdb": Duckdb()}


def _quoted_strings(tree: exp.Query, schema: Schema) -> exp.Query:
    """The tree, changed: strings for names in double quotes that nothing in the query has (quirks.html, 8)."""
    tables = [schema.table(node.name) for node in tree.find_all(exp.Table)]
    known = {column.name.lower() for table in tables if table for column in table.columns}
    known |= {node.alias.lower() for node in tree.find_all(exp.Alias)}
    for column in list(tree.find_all(exp.Column)):
        quoted = isinstance(column.this, exp.Identifier) and column.this.quoted
        if quoted and not column.table and column.name.lower() not in known:
            column.replace(exp.Literal.string(column.name))
    return tree
