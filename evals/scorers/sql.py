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

Replies vote by their results (`labels`), on databases made for them alone: those that give the same are one
answer, as in the execution-based self-consistency of Shi et al. (2022), "Natural language to code translation
with execution".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlglot import exp

from evals.scorers.base import Gold, Outcome, Score, first_alike, reference, unfenced
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
            made = self._databases(schema, trees, trees[:1], expected)
            ordered = trees[0].args.get("order") is not None
            alike = trees[0].sql(normalize=True) == trees[1].sql(normalize=True)
            queries = [duckdb(tree, schema) for tree in trees]
            tied = trees[0].find(*_ORDERED) is not None
        except (Invalid, RecursionError) as error:
            return Score("invalid", 0.0, str(error))
        except Refused as error:
            return Score("refused", 0.0, str(error))
        return self._compare(queries, made, ordered=ordered, alike=alike, tied=tied)

    def labels(self, replies: Sequence[str], gold: Gold) -> list[int | None]:
        """Queries are one answer when they are one query, or give the same on all databases and more than nothing."""
        try:
            schema = schema_of(str(gold.about.get("schema", "")))
        except Unreadable:
            return [None] * len(replies)
        trees = [_tree(reply, schema) for reply in replies]
        texts = [tree.sql(normalize=True) if tree is not None else None for tree in trees]
        first = first_alike(texts)
        distinct = {place: tree for place, tree in enumerate(trees) if tree is not None and first[place] == place}
        if len(distinct) < 2:
            return first
        try:
            schema = schema.as_text(clues(distinct.values(), schema).texts)
            made = self._databases(schema, distinct.values(), distinct.values(), str(sorted(filter(None, texts))))
            queries = {place: duckdb(tree, schema) for place, tree in distinct.items()}
        except (Invalid, RecursionError):
            return first
        jobs = [(sql, i) for i in range(len(made)) for sql in dict.fromkeys(queries.values())]
        found = dict(zip(jobs, self.execute(made, jobs), strict=True))
        label = _agreeing(
            {place: (distinct[place], [found[sql, i] for i in range(len(made))]) for place, sql in queries.items()}
        )
        return [None if place is None else label[place] for place in first]

    def _databases(
        self, schema: Schema, trees: Iterable[exp.Query], decisive: Iterable[exp.Query], seed: str
    ) -> list[Data]:
        """Databases for some queries, all with few ties where one of the decisive ones cuts rows."""
        clue = clues(trees, schema)
        # A tie of rows, cut, that shows the same either way cannot be seen; a tie of groups shows other groups.
        limits = [limit for tree in decisive for limit in tree.find_all(exp.Limit)]
        cut = any(not limit.parent.args.get("group") for limit in limits if limit.parent)
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


def _tree(reply: str, schema: Schema) -> exp.Query | None:
    """A reply's query; None where it has none that may run."""
    try:
        return quoted_strings(parse(unfenced(reply), schema), schema)
    except (Invalid, Refused, RecursionError):
        return None


def _agreeing(queries: Mapping[int, tuple[exp.Query, Sequence[Answer]]]) -> dict[int, int | None]:
    """For each query's place that of the first with the same results; None for one that failed."""
    label: dict[int, int | None] = {}
    for place, (tree, answers) in queries.items():
        label[place] = None if any(a.failure for a in answers) else place
        if label[place] is None or all(nothing(a.rows) for a in answers):
            continue
        for other in (o for o, mine in label.items() if o == mine and o != place):
            kin, theirs = queries[other]
            ordered = tree.args.get("order") is not None and kin.args.get("order") is not None
            if _alike([(a.rows, b.rows, ordered) for a, b in zip(theirs, answers, strict=True)]):
                label[place] = other
                break
    return label


def _alike(pairs: Sequence[tuple[Rows, Rows, bool]]) -> bool:
    try:
        return same(pairs)
    except ValueError:
        return False


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
