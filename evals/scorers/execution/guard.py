"""What a query may be made of: everything that is not listed is refused.

The query that runs is written anew from the checked syntax tree, so a comment can hide nothing and a text that
two parsers read differently reaches the database in one reading only.
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
    """The syntax tree of one SQLite query over the tables of `schema`; `Invalid` or `Refused` where it is none."""
    if len(sql) > _LONGEST:
        raise Refused(f"{len(sql)} characters; at most {_LONGEST}")
    if any("\ud800" <= character <= "\udfff" for character in sql):
        raise Invalid("half a character: no Unicode text")
    try:
        statements = [
            s for s in sqlglot.parse(sql, read="sqlite") if s is not None and not isinstance(s, exp.Semicolon)
        ]
    except (SqlglotError, RecursionError) as error:
        raise Invalid(f"does not parse: {(str(error).splitlines() or ['nested too deeply'])[0]}") from None
    if not statements:
        raise Invalid("there is no query")
    if len(statements) > 1:
        raise Refused(f"{len(statements)} statements; expected one")
    tree = statements[0]
    for count, node in enumerate(tree.walk(), 1):
        if count > _MOST:
            raise Refused(f"more than {_MOST} names, values and operators")
        if type(node) not in _ALLOWED:
            what = node.name if isinstance(node, exp.Anonymous) else type(node).__name__
            raise Refused(f"{what} is not allowed")
    if not isinstance(tree, exp.Query):
        raise Refused(f"{type(tree).__name__} is no query")
    _check_tables(tree, schema)
    return tree


def _check_tables(tree: exp.Query, schema: Schema) -> None:
    named = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or table.args.get("db") or table.args.get("catalog"):
            raise Refused(f"{table.sql('sqlite')[:80]} is no table of the schema")
        if table.name.lower() not in named and schema.table(table.name) is None:
            raise Invalid(f"no such table: {table.name[:80]}")
