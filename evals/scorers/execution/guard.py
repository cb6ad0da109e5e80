"""What a query may be made of.

SQLite runs a query as it is written and asks before it reads or calls anything (`tasks/sandbox/sqlite_engine.py`); its
syntax tree is looked at for what to plant alone. DuckDB's query is written anew from the checked tree, in which
everything that is not listed is refused: a comment can hide nothing, and a text that two parsers read differently
reaches the database in one reading only.
"""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from evals.scorers.execution.schema import Schema

_LONGEST = 20_000  # characters
_MOST = 2_000  # nodes of the syntax tree: what is done with them takes time by their square
_ALLOWED: frozenset[type[exp.Expr]] = frozenset(
    {
        # a query and its clauses
        *(exp.Select, exp.Union, exp.Intersect, exp.Except, exp.Subquery, exp.With, exp.CTE, exp.TableAlias),
        *(exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Offset),
        *(exp.Distinct, exp.Column, exp.Identifier, exp.Table, exp.Star, exp.Alias, exp.Paren, exp.Tuple),
        # values and operators
        *(exp.Literal, exp.Null, exp.Boolean, exp.And, exp.Or, exp.Not, exp.Neg, exp.DPipe, exp.Exists),
        *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Is, exp.In),
        *(exp.Between, exp.Like, exp.ILike, exp.Escape, exp.Collate, exp.Var),
        *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod),
        *(exp.Case, exp.If, exp.Cast, exp.TryCast, exp.DataType, exp.DataTypeParam),
        # functions of values alone
        *(exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.GroupConcat, exp.Abs, exp.Round, exp.Ceil, exp.Floor),
        *(exp.Length, exp.Lower, exp.Upper, exp.Substring, exp.Trim, exp.Concat, exp.Replace, exp.StrPosition),
        *(exp.Coalesce, exp.Nullif, exp.TimeToStr, exp.TsOrDsToTimestamp, exp.TsOrDsToDate, exp.Date),
        *(exp.Year, exp.Month, exp.Day, exp.Extract),
        *(exp.Window, exp.WindowSpec, exp.RowNumber, exp.Rank, exp.DenseRank),
    }
)


class Invalid(ValueError):
    """No database could run it: it does not parse, or names what is not there."""


class Refused(ValueError):
    """It is made of more than a question about the tables needs."""


def parse(sql: str, schema: Schema) -> exp.Query:
    """The syntax tree of one DuckDB query over the tables of `schema`; `Invalid` or `Refused` where it is none."""
    check_text(sql)
    statements = _statements(sql, "duckdb")
    if not statements:
        raise Invalid("there is no query")
    if len(statements) > 1:
        raise Refused(f"{len(statements)} statements; expected one")
    tree = statements[0]
    _check_size(tree)
    for node in tree.walk():
        if type(node) not in _ALLOWED:
            what = node.name if isinstance(node, exp.Anonymous) else type(node).__name__
            raise Refused(f"{what} is not allowed")
    if not isinstance(tree, exp.Query):
        raise Refused(f"{type(tree).__name__} is no query")
    _check_tables(tree, schema)
    return tree


def look(sql: str) -> exp.Query | None:
    """The syntax tree of a SQLite query, to look at; None where the parser does not know it. `Refused` if too large."""
    check_text(sql)
    try:
        statements = _statements(sql, "sqlite")
    except Invalid:
        return None
    tree = statements[0] if len(statements) == 1 else None
    if tree is not None:
        _check_size(tree)
    return tree if isinstance(tree, exp.Query) else None


def check_text(sql: str) -> None:
    """`Refused` for a text that is too long, `Invalid` for one that is no Unicode text or empty."""
    if len(sql) > _LONGEST:
        raise Refused(f"{len(sql)} characters; at most {_LONGEST}")
    if any("\ud800" <= character <= "\udfff" for character in sql):
        raise Invalid("half a character: no Unicode text")
    if not sql.strip():
        raise Invalid("there is no query")


def _statements(sql: str, dialect: str) -> list[exp.Expr]:
    try:
        return [s for s in sqlglot.parse(sql, read=dialect) if s is not None and not isinstance(s, exp.Semicolon)]
    except (SqlglotError, RecursionError) as error:
        raise Invalid(f"does not parse: {(str(error).splitlines() or ['nested too deeply'])[0]}") from None


def _check_size(tree: exp.Expr) -> None:
    if any(count > _MOST for count, _ in enumerate(tree.walk(), 1)):
        raise Refused(f"more than {_MOST} names, values and operators")


def _check_tables(tree: exp.Query, schema: Schema) -> None:
    named = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or table.args.get("db") or table.args.get("catalog"):
            raise Refused(f"{table.sql('sqlite')[:80]} is no table of the schema")
        if table.name.lower() not in named and schema.table(table.name) is None:
            raise Invalid(f"no such table: {table.name[:80]}")
