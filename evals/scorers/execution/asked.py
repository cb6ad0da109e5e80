"""A reference as it is asked: as it is, whole, and with what rests on chance settled either way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from sqlglot.errors import SqlglotError

from evals.scorers.execution.dialects import Dialect, Query
from evals.scorers.execution.guard import Invalid
from evals.scorers.execution.results import Expected, Rows, bag, sequence
from evals.scorers.execution.runs import Runs
from evals.scorers.execution.schema import Schema
from evals.scorers.execution.ties import Whole, settled, whole


@dataclass(frozen=True, slots=True)
class Asked:
    """A query and the forms that all its answers are read from. `low` and `high` are "" where no chance is in it."""

    query: Query
    whole: Whole | None = None
    text: str = ""  # of `whole`, else of the query
    low: str = ""
    high: str = ""
    known: bool = False  # whether all that chance may decide is in these forms

    @classmethod
    def of(cls, query: Query, schema: Schema, dialect: Dialect) -> Self:
        """How to ask a query; one whose tree tells nothing is asked with the rows turned round."""
        if query.tree is None:
            return cls(query, text=query.text)
        try:
            every = whole(query.tree)
            tree = every.tree if every else query.tree
            low, high = (settled(tree, schema, high=high) for high in (False, True))
            text = dialect.write(tree) if every else query.text
            small, large = (dialect.write(one) if one is not None else "" for one in (low, high))
        except (Invalid, SqlglotError, RecursionError):
            return cls(query, text=query.text)
        limited = query.tree.args.get("limit") is not None or query.ordered
        return cls(query, every, text, small, large, known=every is not None or not limited)

    @property
    def plain(self) -> list[str]:
        """What is run on the databases as they are."""
        return [sql for sql in (self.query.text, self.text, self.low) if sql]

    @property
    def turned(self) -> list[str]:
        """What is run on the databases with their rows turned round."""
        return [sql for sql in (self.high,) if sql] if self.known else [self.query.text]

    def expected(self, runs: Runs, place: int) -> Expected | None:
        """All answers on one database; None where they rest on chance in another way."""
        plain = runs(self.query.text, place).rows
        if not self.known or runs(self.text, place).failure:
            return self._seen(plain, runs(self.query.text, place, turned=True).rows)
        found = self._of(self.text, runs, place)
        if found is not None and not found.allows(plain):
            return self._seen(plain, runs(self.query.text, place, turned=True).rows)
        for form, turned in ((self.low, False), (self.high, True)):
            if form:
                other = self._of(form, runs, place, turned=turned)
                if other is None or found is None or not other.equals(found):
                    return None
        return found

    def _of(self, sql: str, runs: Runs, place: int, *, turned: bool = False) -> Expected | None:
        """All answers that the rows of a form stand for; None where it fails or they rest on chance."""
        answer = runs(sql, place, turned=turned)
        if answer.failure:
            return None
        return self.whole.expected(answer.rows) if self.whole else bag(answer.rows)

    def _seen(self, rows: Rows, turned: Rows) -> Expected | None:
        """What shows when rows are turned round: other rows are chance, another order is a tie."""
        if not bag(rows).allows(turned):
            return None
        return sequence(rows) if self.query.ordered and sequence(rows).allows(turned) else bag(rows)
