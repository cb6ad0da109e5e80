"""Which column of which table a name in a query means, and what an expression holds."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from evals.scorers.execution.guard import Invalid
from evals.scorers.execution.schema import Kind, Place, Schema

_NUMBERS = (
    exp.Count,
    exp.Sum,
    exp.Avg,
    exp.Abs,
    exp.Round,
    exp.Length,
    exp.Neg,
    exp.Binary,
    exp.Year,
    exp.Month,
    exp.Day,
)
_TEXTS = (
    exp.Lower,
    exp.Upper,
    exp.Substring,
    exp.Trim,
    exp.Concat,
    exp.Replace,
    exp.DPipe,
    exp.GroupConcat,
    exp.TimeToStr,
)


class Names:
    """The columns of one query by the schema. Nodes are told apart by identity: rewriting must keep them."""

    def __init__(self, tree: exp.Query, schema: Schema) -> None:
        self._schema = schema
        self._places: dict[int, Place] = {}
        self._kinds: dict[int, Kind] = {}
        self._outer: set[int] = set()
        try:
            self.scopes: list[Scope] = traverse_scope(tree)
            for scope in self.scopes:
                for column in (*scope.columns, *_in_having(scope)):
                    self._resolve(column, scope)
        except SqlglotError as error:  # also of one alias for two tables
            raise Invalid(str(error).splitlines()[0]) from None

    def place(self, column: exp.Expr) -> Place | None:
        """The table and column that a column comes from, through subqueries too; None where that is not known."""
        return self._places.get(id(column))

    def outer(self, column: exp.Expr) -> bool:
        """Whether a column of a subquery is one of the query around it."""
        return id(column) in self._outer

    def kind(self, node: exp.Expr | None) -> Kind | None:
        """Whether an expression holds numbers or texts; None where that is not known."""
        if isinstance(node, exp.Column):
            return self._kinds.get(id(node))
        if isinstance(node, exp.Literal):
            return "text" if node.is_string else "number"
        if isinstance(node, exp.Subquery | exp.Select):
            query = node.unnest() if isinstance(node, exp.Subquery) else node
            chosen = query.selects if isinstance(query, exp.Query) else []
            return self.kind(chosen[0]) if len(chosen) == 1 else None
        if isinstance(
            node, exp.Alias | exp.Paren | exp.Min | exp.Max | exp.ArgMin | exp.ArgMax | exp.Distinct | exp.Coalesce
        ):
            inner = node.expressions[0] if isinstance(node, exp.Distinct) else node.this
            return self.kind(inner)
        if isinstance(node, exp.Cast | exp.TryCast):
            return "text" if node.is_type(*exp.DataType.TEXT_TYPES) else "number"
        if isinstance(node, _TEXTS):
            return "text"
        return "number" if isinstance(node, _NUMBERS) else None

    def _resolve(self, column: exp.Column, scope: Scope) -> None:
        if id(column) in self._places:
            return  # scopes come from the inside out, and an outer one lists an inner one's columns again
        own = {alias: source for alias, (_, source) in scope.selected_sources.items()}
        around = {alias: source for alias, source in scope.sources.items() if alias not in own}
        if not any(self._found(column, alias, source) for alias, source in own.items()) and any(
            self._found(column, alias, source) for alias, source in around.items()
        ):
            self._outer.add(id(column))

    def _found(self, column: exp.Column, alias: str, source: object) -> bool:
        if column.table and column.table.lower() != alias.lower():
            return False
        if isinstance(source, Scope):
            return self._derived(column, source)
        table = self._schema.table(source.name) if isinstance(source, exp.Table) else None
        found = table.column(column.name) if table else None
        if not table or not found:
            return False
        self._places[id(column)] = (table.name.lower(), found.name.lower())
        self._kinds[id(column)] = found.kind
        return True

    def _derived(self, column: exp.Column, source: Scope) -> bool:
        chosen = getattr(source.expression, "selects", [])
        for node in chosen:
            if node.alias_or_name.lower() == column.name.lower():
                inner = node.unalias()
                place, kind = self.place(inner), self.kind(inner)
                if place:
                    self._places[id(column)] = place
                if kind:
                    self._kinds[id(column)] = kind
                return True
        return False


def _in_having(scope: Scope) -> list[exp.Column]:
    """Columns without a table in HAVING: sqlglot leaves them out as they may be aliases, SQLite takes columns first."""
    having = scope.expression.args.get("having")
    columns = having.find_all(exp.Column) if having is not None else ()
    return [c for c in columns if not c.table and c.find_ancestor(exp.Query) is scope.expression]
