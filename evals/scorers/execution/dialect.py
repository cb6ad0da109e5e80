"""A query of SQLite becomes one of DuckDB that gives the same answer on the same rows.

sqlglot writes the syntax; what it leaves is done here, each as sqlite.org documents it:

- a name in double quotes that is no column is a string (quirks.html, 8);
- LIKE ignores case (lang_expr.html, 5);
- texts and numbers are compared by affinity (datatype3.html, 4.2), and texts are added up as numbers;
- a bare column of an aggregate query is taken from the row of its one min() or max() (lang_select.html, 2.5).
  Where SQLite takes any row, the smallest value is taken here, so that it does not depend on a plan.
"""

from __future__ import annotations

import math
import re

from sqlglot import exp

from evals.scorers.execution.names import Names
from evals.scorers.execution.schema import Schema

_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*")
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
_ARITHMETIC = (exp.Sum, exp.Avg, exp.Abs, exp.Round, exp.Neg, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)


def quoted_strings(tree: exp.Query, schema: Schema) -> exp.Query:
    """The tree, changed: strings for names in double quotes that nothing in the query has."""
    tables = [schema.table(node.name) for node in tree.find_all(exp.Table)]
    known = {column.name.lower() for table in tables if table for column in table.columns}
    known |= {node.alias.lower() for node in tree.find_all(exp.Alias)}
    for column in list(tree.find_all(exp.Column)):
        quoted = isinstance(column.this, exp.Identifier) and column.this.quoted
        if quoted and not column.table and column.name.lower() not in known:
            column.replace(exp.Literal.string(column.name))
    return tree


def duckdb(tree: exp.Query, schema: Schema) -> str:
    """The query as DuckDB runs it. `tree` is changed."""
    names = Names(tree, schema)
    for scope in names.scopes:
        if isinstance(scope.expression, exp.Select):
            _settle(scope.expression, names)
    for node in list(tree.walk()):
        if isinstance(node, exp.Like):
            _like(node, names)
        elif isinstance(node, _COMPARISONS):
            _meet(node.this, node.expression, names)
        elif isinstance(node, exp.Between):
            _meet(node.this, node.args["low"], names)
            _meet(node.this, node.args["high"], names)
        elif isinstance(node, exp.In):
            _within(node, names)
        elif isinstance(node, _ARITHMETIC):
            for part in (node.this, node.args.get("expression")):
                if part is not None and names.kind(part) == "text":
                    _as_number(part)
    return tree.sql("duckdb", comments=False, identify=True)


def _like(node: exp.Like, names: Names) -> None:
    if names.kind(node.this) == "number":
        _as_text(node.this)
    node.replace(exp.ILike(this=node.this, expression=node.expression))


def _meet(left: exp.Expr, right: exp.Expr, names: Names) -> None:
    """Make one kind of two sides of a comparison, where one holds texts and the other numbers."""
    if {names.kind(left), names.kind(right)} != {"text", "number"}:
        return
    text, number = (left, right) if names.kind(left) == "text" else (right, left)
    if isinstance(number, exp.Literal) and not isinstance(text, exp.Literal):
        number.replace(exp.Literal.string(number.name))  # a column of texts lends its affinity to the number
    elif isinstance(text, exp.Literal) and not is_number(text.name):
        _as_text(number)
    else:
        _as_number(text)


def _within(node: exp.In, names: Names) -> None:
    query = node.args.get("query")
    if query is None:
        for item in list(node.expressions):
            _meet(node.this, item, names)
    elif names.kind(node.this) == "text" and names.kind(query) == "number":
        _as_number(node.this)
    elif names.kind(node.this) == "number" and names.kind(query) == "text":
        _as_number(query.unnest().selects[0].unalias())


def is_number(text: str) -> bool:
    """Whether SQLite would take the text for a number, and it is a finite one."""
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def _as_number(node: exp.Expr) -> None:
    inner = node.expressions[0] if isinstance(node, exp.Distinct) else node
    _wrap(inner, exp.TryCast(to=exp.DataType.build("double")))


def _as_text(node: exp.Expr) -> None:
    _wrap(node, exp.Cast(to=exp.DataType.build("text")))


def _wrap(node: exp.Expr, wrapper: exp.Expr) -> None:
    """Put a node inside another in its place. The node itself stays, for `Names` knows it by identity."""
    node.replace(wrapper)
    wrapper.set("this", node)


def _settle(select: exp.Select, names: Names) -> None:
    """Give each bare column of an aggregate query a value that no plan decides."""
    clauses = [*select.expressions, *(c for c in (select.args.get("having"), select.args.get("order")) if c)]
    aggregates = [a for clause in clauses for a in clause.find_all(exp.AggFunc) if _owner(a) is select]
    group = select.args.get("group")
    if not group and not aggregates:
        return
    ruler = aggregates[0] if len(aggregates) == 1 and isinstance(aggregates[0], exp.Min | exp.Max) else None
    aliases = {p.alias.lower(): p.unalias() for p in select.expressions if p.alias}
    keys = [aliases.get(k.name.lower(), k) if _plain(k) else k for k in (group.expressions if group else [])]
    keys += [select.expressions[int(k.name) - 1].unalias() for k in keys if _position(k, select)]
    for clause in clauses:
        for column in list(clause.find_all(exp.Column)):
            if _owner(column) is not select or names.outer(column) or names.place(column) is None:
                continue
            if any(_same(column, key, names) for key in keys) or _inside_key(column, keys):
                continue
            _take(column, ruler, keep_name=column in select.expressions)


def _owner(node: exp.Expr) -> exp.Expr | None:
    """The query whose groups a node stands in directly; the aggregate or window around it, if there is one."""
    return node.find_ancestor(exp.Select, exp.AggFunc, exp.Window)


def _plain(node: exp.Expr) -> bool:
    return isinstance(node, exp.Column) and not node.table


def _position(node: exp.Expr, select: exp.Select) -> bool:
    return isinstance(node, exp.Literal) and node.is_int and 1 <= int(node.name) <= len(select.expressions)


def _same(column: exp.Column, key: exp.Expr, names: Names) -> bool:
    if not isinstance(key, exp.Column) or names.place(column) != names.place(key):
        return False
    return not column.table or not key.table or column.table.lower() == key.table.lower()


def _inside_key(column: exp.Column, keys: list[exp.Expr]) -> bool:
    texts = {key.sql().lower() for key in keys if not isinstance(key, exp.Column)}
    node: exp.Expr | None = column
    while node is not None and not isinstance(node, exp.Select):
        if node.sql().lower() in texts:
            return True
        node = node.parent
    return False


def _take(column: exp.Column, ruler: exp.Expr | None, *, keep_name: bool) -> None:
    taken: exp.Expr = exp.Min()
    if ruler is not None:
        taken = (exp.ArgMin if isinstance(ruler, exp.Min) else exp.ArgMax)(expression=ruler.this.copy())
    outer = exp.alias_(exp.Null(), column.name, quoted=True) if keep_name else None
    if outer is None:
        _wrap(column, taken)
        return
    column.replace(outer)
    outer.set("this", taken)
    taken.set("this", column)
