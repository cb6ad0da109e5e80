"""What of a query's answer rests on chance, and how the query is asked so that it shows.

- Rows that are equal by ORDER BY may come in any order, and a LIMIT that cuts among them may take any. So the query
  is asked without its LIMIT and with what it sorts by as further columns (`whole`): all its answers follow.
- What is left to chance inside (a bare column of a group, a LIMIT in a subquery, the first of several rows where one
  value is wanted) is settled once one way and once the other (`settled`); where the two differ, the answer is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from evals.scorers.execution.names import Names
from evals.scorers.execution.results import Expected, Rows
from evals.scorers.execution.schema import Schema

_BY_ORDER = (exp.Window, exp.GroupConcat)  # what may give another value when rows come in another order
_MANY = (exp.In, exp.Exists, exp.From, exp.Join, exp.SetOperation, exp.CTE, exp.Subquery)  # take more than one value


@dataclass(frozen=True, slots=True)
class Whole:
    """A query without its LIMIT. The last `added` columns, and those at `keys`, are what it sorts by."""

    tree: exp.Query
    added: int
    keys: Sequence[int]
    skip: int
    take: int | None
    distinct: bool = False

    def expected(self, rows: Rows) -> Expected | None:
        """All answers of the query, from the rows of this one; None where a DISTINCT row stands at several places."""
        classes: list[list[Sequence[object]]] = []
        before: object = None
        for row in rows:
            end = len(row) - self.added
            key = [*row[end:], *(row[i] for i in self.keys)]
            if not classes or key != before:
                classes.append([])
            classes[-1].append(row[:end])
            before = key
        if self.distinct and len({tuple(row) for kin in classes for row in kin}) < len(rows):
            return None
        return Expected(classes, self.skip, self.take)  # type: ignore[arg-type]


def whole(tree: exp.Query) -> Whole | None:
    """The query as all its answers can be read from; None where it has no order and no limit, or another kind of it."""
    order = tree.args.get("order")
    limit, offset = _count(tree.args.get("limit")), _count(tree.args.get("offset"))
    if limit == "other" or offset == "other" or (order is None and limit is None):
        return None
    changed = tree.copy()
    changed.set("limit", None)
    changed.set("offset", None)
    keys: list[int] = []
    added: list[exp.Expr] = []
    plain = isinstance(changed, exp.Select)
    for term in order.expressions if order else []:
        place = _place(term.this, changed)
        if plain:
            added.append(_key(term.this, changed, place))
        elif place is None:
            return None  # a UNION that is sorted by what cannot be told
        else:
            keys.append(place)
    if added and isinstance(changed, exp.Select):
        changed.select(*added, append=True, copy=False)
    skip = offset if isinstance(offset, int) else 0
    take = limit if isinstance(limit, int) and limit >= 0 else None
    return Whole(changed, len(added), keys, skip, take, distinct=bool(changed.args.get("distinct")))


def settled(tree: exp.Query, schema: Schema, *, high: bool) -> exp.Query | None:
    """The query with its choices made, the smallest or the largest each time; None where chance decides nothing."""
    changed = tree.copy()
    names = Names(changed, schema)
    chance = changed.find(*_BY_ORDER) is not None
    for scope in names.scopes:
        if isinstance(scope.expression, exp.Select):
            chance |= _bare_columns(scope.expression, names, exp.Max if high else exp.Min)
    for query in list(changed.find_all(exp.Select, exp.SetOperation)):
        if query is not changed and (query.args.get("limit") or _one_of_many(query)):
            chance = True
            _complete(query, high=high)
    return changed if chance else None


def _count(node: exp.Expr | None) -> int | str | None:
    """The number of a LIMIT or OFFSET; "other" where it is none."""
    if node is None:
        return None
    number = node.args.get("expression")
    if isinstance(number, exp.Neg) and isinstance(number.this, exp.Literal) and number.this.is_int:
        return -int(number.this.name) if isinstance(node, exp.Limit) else 0
    return int(number.name) if isinstance(number, exp.Literal) and number.is_int else "other"


def _place(key: exp.Expr, query: exp.Query) -> int | None:
    """Which of its columns a query sorts by; None where it is none of them, or that cannot be told."""
    chosen = query.selects
    if any(one.is_star for one in chosen):
        return None
    if isinstance(key, exp.Literal) and key.is_int:
        return int(key.name) - 1 if 1 <= int(key.name) <= len(chosen) else None
    if isinstance(key, exp.Collate):
        return None
    if isinstance(key, exp.Column) and not key.table:
        for place, one in enumerate(chosen):
            if isinstance(one, exp.Alias) and one.alias.lower() == key.name.lower():
                return place
    for place, one in enumerate(chosen):
        if one.unalias().sql().lower() == key.sql().lower():
            return place
    if not isinstance(query, exp.Select) and isinstance(key, exp.Column):
        return next((i for i, one in enumerate(chosen) if one.alias_or_name.lower() == key.name.lower()), None)
    return None


def _key(key: exp.Expr, query: exp.Query, place: int | None) -> exp.Expr:
    """What a query sorts by as a column; two texts that a collation takes for equal are equal here."""
    if isinstance(key, exp.Collate):
        inner, named = _key(key.this, query, _place(key.this, query)), key.expression.name.upper()
        return exp.Lower(this=inner) if named == "NOCASE" else exp.Trim(this=inner) if named == "RTRIM" else inner
    return (query.selects[place].unalias() if place is not None else key).copy()


def _one_of_many(query: exp.Query) -> bool:
    """Whether one value is wanted of a query that may give several."""
    wrapped = query.parent
    if not isinstance(wrapped, exp.Subquery) or isinstance(wrapped.parent, _MANY) or wrapped.parent is None:
        return False
    summed = isinstance(query, exp.Select) and not query.args.get("group") and query.selects[0].find(exp.AggFunc)
    return not summed


def _complete(query: exp.Query, *, high: bool) -> None:
    """Add to what a subquery sorts by all that could tell its rows apart."""
    keys: list[exp.Expr] = []
    if isinstance(query, exp.Select) and not query.args.get("distinct") and query.args.get("group"):
        keys += [key.copy() for key in query.args["group"].expressions if not isinstance(key, exp.Literal)]
    if not any(one.is_star for one in query.selects):
        keys += [exp.Literal.number(i + 1) for i in range(len(query.selects))]
    terms = [exp.Ordered(this=key, desc=high, nulls_first=not high) for key in keys]
    if not terms:
        return
    order = query.args.get("order")
    query.set("order", exp.Order(expressions=[*(order.expressions if order else []), *terms]))
    if not query.args.get("limit"):
        query.set("limit", exp.Limit(expression=exp.Literal.number(1)))


def _bare_columns(select: exp.Select, names: Names, chosen: type[exp.AggFunc]) -> bool:
    """Put `chosen` around each bare column of an aggregate query; whether there is any, or may be.

    One min() or max() in the query says which row bare columns come from (lang_select.html, 2.5): they then stay.
    """
    clauses = [*select.expressions, *(c for c in (select.args.get("having"), select.args.get("order")) if c)]
    aggregates = [a for clause in clauses for a in clause.find_all(exp.AggFunc) if _owner(a) is select]
    group = select.args.get("group")
    if not group and not aggregates:
        return False
    ruled = sum(isinstance(a, exp.Min | exp.Max) for a in aggregates) == 1
    aliases = {p.alias.lower(): p.unalias() for p in select.expressions if p.alias}
    keys = [aliases.get(k.name.lower(), k) if _plain(k) else k for k in (group.expressions if group else [])]
    keys += [select.expressions[int(k.name) - 1].unalias() for k in keys if _position(k, select)]
    bare = any(one.is_star for one in select.expressions)
    for column in [c for clause in clauses for c in clause.find_all(exp.Column)]:
        if isinstance(column.this, exp.Star) or _owner(column) is not select or names.outer(column):
            continue
        if any(_same(column, key, names) for key in keys) or _inside(column, keys):
            continue
        known = names.place(column) is not None
        bare |= known or column.name.lower() not in aliases
        if known and not ruled:
            _wrap(column, chosen(), keep_name=column in select.expressions)
    return bare


def _wrap(column: exp.Column, around: exp.Expr, *, keep_name: bool) -> None:
    """Put a column inside another node in its place. The column itself stays, for `Names` knows it by identity."""
    outer = exp.alias_(exp.Null(), column.name, quoted=True) if keep_name else around
    column.replace(outer)
    if keep_name:
        outer.set("this", around)
    around.set("this", column)


def _owner(node: exp.Expr) -> exp.Expr | None:
    """The query whose groups a node stands in directly; the aggregate or window around it, if there is one."""
    return node.find_ancestor(exp.Select, exp.AggFunc, exp.Window)


def _plain(node: exp.Expr) -> bool:
    return isinstance(node, exp.Column) and not node.table


def _position(node: exp.Expr, select: exp.Select) -> bool:
    return isinstance(node, exp.Literal) and node.is_int and 1 <= int(node.name) <= len(select.expressions)


def _same(column: exp.Column, key: exp.Expr, names: Names) -> bool:
    if not isinstance(key, exp.Column) or (column.name.lower(), names.place(column)) != (
        key.name.lower(),
        names.place(key),
    ):
        return False
    return not column.table or not key.table or column.table.lower() == key.table.lower()


def _inside(column: exp.Column, keys: Sequence[exp.Expr]) -> bool:
    texts = {key.sql().lower() for key in keys if not isinstance(key, exp.Column)}
    node: exp.Expr | None = column
    while node is not None and not isinstance(node, exp.Select):
        if node.sql().lower() in texts:
            return True
        node = node.parent
    return False
