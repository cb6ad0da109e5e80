"""Text to SQL, scored by running both queries over generated rows.

For each question several databases are made (`execution.databases`), with what both queries compare with among
the rows. A gold whose answer may rest on the order of rows runs on each twice, the rows in two orders:

- where its two answers hold other rows, the answer rests on chance (a tie cut by LIMIT) and the database is set
  aside; where only the order differs (ties), the answers are compared as bags;
- where it finds nothing, an empty prediction proves nothing: a database counts for "right" only if the gold finds
  something there, and against it always.

A prediction is right if it gives the gold's answer on all databases that count and at least one of them tells.
Where none does, the same query is right, a different answer wrong, and all else "undecided". The idea of many
small databases is that of Zhong et al. (2020), "Semantic evaluation for text-to-SQL with distilled test suites".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlglot import exp

from evals.scorers.base import Gold, Outcome, Score, reference, unfenced
from evals.scorers.execution.databases import Data, clues, generate
from evals.scorers.execution.dialect import duckdb, quoted_strings
from evals.scorers.execution.guard import Invalid, Refused, parse
from evals.scorers.execution.results import Rows, nothing, same
from evals.scorers.execution.schema import Schema, Unreadable, schema_of
from storage.records import seed_of

# what can give another answer when the rows lie in another order
_ORDERED = (exp.Order, exp.Limit, exp.Window, exp.GroupConcat, exp.ArgMin, exp.ArgMax)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one query on one database: rows, or why there are none."""

    rows: Rows = ()
    failure: Outcome | None = None  # invalid, timeout, memory or refused
    reason: str = ""


class Execute(Protocol):
    """Runs queries, each on the database of its index; one that failed is not run again and fails as before."""

    def __call__(self, databases: Sequence[Data], jobs: Sequence[tuple[str, int]]) -> list[Answer]: ...


@dataclass(frozen=True, slots=True)
class SqlScorer:
    """`execute` must confine what it runs (`tasks.sandbox.runner.Sandbox`); the schema is `about["schema"]`."""

    execute: Execute
    databases: int = 6
    name: str = "sql"

    def score(self, prediction: str, gold: Gold) -> Score:
        expected = reference(gold)
        try:
            schema, trees = _gold(str(gold.about.get("schema", "")), expected)
        except (Unreadable, Invalid, Refused, RecursionError) as error:
            return Score("gold-invalid", 0.0, f"gold: {error}")
        try:
            trees.append(quoted_strings(parse(unfenced(prediction), schema), schema))
            made = self._databases(schema, trees, expected)
            ordered = trees[0].args.get("order") is not None
            alike = trees[0].sql(normalize=True) == trees[1].sql(normalize=True)
            queries = [duckdb(tree, schema) for tree in trees]
            tied = trees[0].find(*_ORDERED) is not None
        except (Invalid, RecursionError) as error:
            return Score("invalid", 0.0, str(error))
        except Refused as error:
            return Score("refused", 0.0, str(error))
        return self._compare(queries, made, ordered=ordered, alike=alike, tied=tied)

    def _databases(self, schema: Schema, trees: Sequence[exp.Query], seed: str) -> list[Data]:
        clue = clues(trees, schema)
        # A tie of rows, cut, that shows the same either way cannot be seen; a tie of groups shows other groups.
        cut = any(not limit.parent.args.get("group") for limit in trees[0].find_all(exp.Limit) if limit.parent)
        return [generate(schema, clue, seed_of(seed, i), distinct=cut or i % 2 == 0) for i in range(self.databases)]

    def _compare(
        self, queries: Sequence[str], made: Sequence[Data], *, ordered: bool, alike: bool, tied: bool
    ) -> Score:
        gold, query = queries
        n = len(made)
        both = [*made, *(data.turned() for data in made)] if tied else made
        jobs = [(gold, i) for i in range(n, len(both))] + [(sql, i) for i in range(n) for sql in queries]
        found = dict(zip(jobs, self.execute(both, jobs), strict=True))
        failures = {sql: answer for (sql, _), answer in found.items() if answer.failure}
        if failed := failures.get(gold):
            return Score("gold-invalid", 0.0, f"gold: {failed.failure}: {failed.reason}")
        if (failed := failures.get(query)) and failed.failure:
            return Score(failed.failure, 0.0, failed.reason)
        pairs: list[tuple[Rows, Rows, bool]] = []
        telling = 0
        for i in range(n):
            first, again = found[gold, i].rows, found[gold, n + i if tied else i].rows
            if _identical(first, again, ordered=False):
                pairs.append((first, found[query, i].rows, ordered and _identical(first, again, ordered=True)))
                telling += not nothing(first)
        return _judge(pairs, telling, n, alike=alike)


def _gold(schema: str, query: str) -> tuple[Schema, list[exp.Query]]:
    """The schema and the gold's tree. A column of numbers that the gold compares with words holds texts."""
    declared = schema_of(schema)
    tree = quoted_strings(parse(query, declared), declared)
    typed = declared.as_text(clues([tree], declared).texts)
    return typed, [tree]


def _identical(one: Rows, other: Rows, *, ordered: bool) -> bool:
    return list(one) == list(other) if ordered else sorted(one, key=repr) == sorted(other, key=repr)


def _judge(pairs: Sequence[tuple[Rows, Rows, bool]], telling: int, n: int, *, alike: bool) -> Score:
    measures = {"telling": telling / n}
    try:
        agree = same(pairs)
    except ValueError as error:
        return Score("undecided", 0.0, str(error), measures)
    if not agree:
        return Score("wrong", 0.0, f"another result on {len(pairs)} databases", measures)
    if telling:
        return Score("right", 1.0, f"the same result on {len(pairs)} databases, {telling} of them telling", measures)
    if alike:
        return Score("right", 1.0, "the same query, though no database tells", measures)
    why = "the gold finds nothing in any of them" if pairs else "the gold's answer rests on the order of rows in all"
    return Score("undecided", 0.0, f"{n} databases do not tell: {why}", measures)
