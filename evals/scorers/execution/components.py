"""Exact set match, Spider's first metric: parts of two queries compared as sets, values and DISTINCT left out.

It is defined by a parser of a part of SQL (one SELECT with plain joins, conditions without brackets, at most one
direction of order, set operations). For a reference outside that part there is no such figure; a reply outside it does
not match. Source: taoyds/test-suite-sql-eval `evaluation.py` and `process_sql.py`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from evals.scorers.execution.dialects import Query
from evals.scorers.execution.schema import Place, Schema

Term = tuple[Any, ...]
_AGGREGATES: dict[type[exp.Expr], str] = {
    exp.Max: "max",
    exp.Min: "min",
    exp.Count: "count",
    exp.Sum: "sum",
    exp.Avg: "avg",
}
_SIGNS: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}
_OPERATORS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "!=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.Like: "like",
}
_SETS = {exp.Union: "union", exp.Intersect: "intersect", exp.Except: "except"}
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_UNREAD = re.compile(r"<>|==|\bnot\s+(?!in\b|like\b|between\b)", re.IGNORECASE)
_UNKNOWN = ("with_", "windows", "qualify", "distribute", "sort", "cluster", "laterals", "offset", "hint")


class _Outside(Exception):
    """The query is beyond the part of SQL that the metric is defined for."""


@dataclass(frozen=True, slots=True)
class _Condition:
    """`left operator right`; of what stands right only a subquery counts."""

    negated: bool
    operator: str
    left: Term
    right: tuple[_Parts | None, ...]


@dataclass(frozen=True, slots=True)
class _Parts:
    """One SELECT in parts, and the one that UNION, INTERSECT or EXCEPT join to it."""

    select: tuple[Term, ...]
    tables: tuple[str, ...]
    joined: tuple[_Condition | str, ...]
    where: tuple[_Condition | str, ...]
    group: tuple[Term, ...]
    having: tuple[_Condition | str, ...]
    order: tuple[str, tuple[Term, ...]] | None
    limit: bool
    other: tuple[str, _Parts] | None

    @property
    def words(self) -> set[str]:
        """What of the query's words is compared beside its parts."""
        every = [*self.joined, *self.where, *self.having]
        conditions = [one for one in every if isinstance(one, _Condition)]
        said = {one.operator for one in conditions} & {"in", "like"}
        return said | {"not" for one in conditions if one.negated} | {"or" for one in every if one == "or"}


def exact_set_match(gold: Query, reply: Query, schema: Schema) -> bool | None:
    """Whether the parts of both are the same; None where the reference is outside what the metric is defined for."""
    try:
        expected = _Reader(schema).parts(gold)
    except (_Outside, RecursionError):
        return None
    try:
        return _match(_Reader(schema).parts(reply), expected)
    except (_Outside, RecursionError):
        return False


def _match(one: _Parts, other: _Parts) -> bool:
    columns = [[term[-1].rpartition(".")[2] for term in parts.group] for parts in (one, other)]
    same_having = not one.group or (one.group, one.having) == (other.group, other.having)
    return (
        Counter(one.select) == Counter(other.select)
        and Counter(one.where[::2]) == Counter(other.where[::2])
        and set(one.where[1::2]) == set(other.where[1::2])
        and sorted(columns[0]) == sorted(columns[1])
        and same_having
        and bool(one.having) == bool(other.having)
        and one.order == other.order
        and one.limit == other.limit
        and one.words == other.words
        and _match_others(one.other, other.other)
        and sorted(one.tables) == sorted(other.tables)
    )


def _match_others(one: tuple[str, _Parts] | None, other: tuple[str, _Parts] | None) -> bool:
    if one is None or other is None:
        return one is other
    return one[0] == other[0] and _match(one[1], other[1])


class _Reader:
    """Takes queries over a schema apart; columns that a foreign key joins are one."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._same: dict[Place, Place] = {}
        for child, parent in schema.references:
            kin = min(self._same.get(child, child), self._same.get(parent, parent))
            for place in (child, parent):
                old = self._same.get(place, place)
                self._same |= {p: kin for p, root in self._same.items() if root == old} | {place: kin}

    def parts(self, query: Query) -> _Parts:
        """A whole query in parts. `_Outside` where it is written as Spider's parser does not read it."""
        if query.tree is None or _UNREAD.search(_QUOTED.sub("''", query.text)):
            raise _Outside
        return self._parts(query.tree)

    def _parts(self, query: exp.Expr) -> _Parts:
        if isinstance(query, exp.Subquery):
            query = query.unnest()
        if isinstance(query, exp.SetOperation):
            return self._joined(query)
        if not isinstance(query, exp.Select):
            raise _Outside
        return self._select(query, query, None)

    def _joined(self, query: exp.SetOperation) -> _Parts:
        """The rightmost SELECT takes the order; each one before it holds the next."""
        if not query.args.get("distinct") or query.args.get("with_"):
            raise _Outside
        right = query.expression
        if not isinstance(right, exp.Select):
            raise _Outside
        found, node, name = self._select(right, query, None), query, _SETS[type(query)]
        while isinstance(node.this, exp.SetOperation):
            node = node.this
            if not isinstance(node.expression, exp.Select) or not node.args.get("distinct"):
                raise _Outside
            found, name = self._select(node.expression, node, (name, found)), _SETS[type(node)]
        if not isinstance(node.this, exp.Select):
            raise _Outside
        return self._select(node.this, node.this, (name, found))

    def _select(self, select: exp.Select, ordered: exp.Query, other: tuple[str, _Parts] | None) -> _Parts:
        if any(select.args.get(name) for name in _UNKNOWN):
            raise _Outside
        source = select.args.get("from_")
        joins = select.args.get("joins") or []
        if source is None:
            raise _Outside
        tables = self._tables([source, *joins])
        group, order, limit = select.args.get("group"), ordered.args.get("order"), ordered.args.get("limit")
        where, having = select.args.get("where"), select.args.get("having")
        on: list[_Condition | str] = []
        for join in joins:
            if join.side or join.kind not in ("", "INNER") or join.args.get("using"):
                raise _Outside
            if join.args.get("on") and not isinstance(join.args["on"], exp.Boolean):  # TRUE stands for none
                on += [*(["and"] if on else []), *self._conditions(join.args["on"], tables)]
        return _Parts(
            select=tuple(self._term(one, tables) for one in select.expressions),
            tables=tuple(table for _, table in tables),
            joined=tuple(on),
            where=tuple(self._conditions(where.this, tables)) if where else (),
            group=tuple(self._column(key, tables) for key in group.expressions) if group else (),
            having=tuple(self._conditions(having.this, tables)) if having else (),
            order=self._order(order, tables) if order else None,
            limit=limit is not None,
            other=other,
        )

    def _tables(self, sources: list[exp.Expr]) -> list[tuple[str, str]]:
        """Aliases and names, in order."""
        found = []
        for source in sources:
            table = source.this
            known = self._schema.table(table.name) if isinstance(table, exp.Table) else None
            if known is None:
                raise _Outside
            found.append((table.alias_or_name.lower(), known.name.lower()))
        return found

    def _order(self, order: exp.Expr, tables: list[tuple[str, str]]) -> tuple[str, tuple[Term, ...]]:
        directions = {bool(term.args.get("desc")) for term in order.expressions}
        if len(directions) > 1:
            raise _Outside
        terms = tuple(self._term(term.this, tables) for term in order.expressions)
        return ("desc" if directions == {True} else "asc", terms)

    def _conditions(self, node: exp.Expr, tables: list[tuple[str, str]]) -> list[_Condition | str]:
        """Conditions and the words between them, as they are written."""
        if isinstance(node, exp.And | exp.Or):
            word = "and" if isinstance(node, exp.And) else "or"
            return [*self._conditions(node.this, tables), word, *self._conditions(node.expression, tables)]
        negated = isinstance(node, exp.Not)
        inner = node.this if negated else node
        if negated and not isinstance(inner, exp.In | exp.Like | exp.Between):
            raise _Outside
        if isinstance(inner, exp.Between):
            return [self._condition(negated, "between", inner.this, [inner.args["low"], inner.args["high"]], tables)]
        if isinstance(inner, exp.In) and inner.args.get("query"):
            return [self._condition(negated, "in", inner.this, [inner.args["query"]], tables)]
        if type(inner) not in _OPERATORS:
            raise _Outside
        return [self._condition(negated, _OPERATORS[type(inner)], inner.this, [inner.expression], tables)]

    def _condition(
        self, negated: bool, operator: str, left: exp.Expr, right: list[exp.Expr], tables: list[tuple[str, str]]
    ) -> _Condition:
        values = tuple(self._parts(one) if isinstance(one, exp.Subquery | exp.Select) else None for one in right)
        return _Condition(negated, operator, self._term(left, tables), values)

    def _term(self, node: exp.Expr, tables: list[tuple[str, str]]) -> Term:
        while isinstance(node, exp.Paren):
            node = node.this
        if isinstance(node, exp.Distinct) and len(node.expressions) == 1:
            node = node.expressions[0]
        if type(node) in _AGGREGATES:
            return ("of", _AGGREGATES[type(node)], self._term(node.this, tables))
        if type(node) in _SIGNS:
            return ("sum", _SIGNS[type(node)], self._term(node.this, tables), self._term(node.expression, tables))
        return self._column(node, tables)

    def _column(self, node: exp.Expr, tables: list[tuple[str, str]]) -> Term:
        if isinstance(node, exp.Star):
            return ("column", "*")
        if not isinstance(node, exp.Column):
            raise _Outside
        if isinstance(node.this, exp.Star):
            return ("column", "*")
        for alias, name in tables:
            table = self._schema.table(name)
            if (not node.table or node.table.lower() == alias) and table and table.column(node.name):
                place = (name, node.name.lower())
                return ("column", ".".join(self._same.get(place, place)))
        raise _Outside
