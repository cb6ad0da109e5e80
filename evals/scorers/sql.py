"""Text to SQL, scored by running both queries over generated rows, and over the real database where it is there.

For each question several databases are made (`execution.databases`), with what both queries compare with among
the rows. On each the gold has one answer or several (`execution.ties`):

- rows that are equal by its ORDER BY may come in any order, and any of those that its LIMIT cuts among may stay;
  a database where it cuts so speaks for a prediction and never against it (`= (SELECT max(…))` gives them all);
- where its answer rests on chance otherwise, the database is set aside;
- where it finds nothing, an empty prediction proves nothing: a database counts for "right" only if the gold finds
  something there, and against it always.

A prediction is right if it gives one of the gold's answers on all databases that count and at least one of them
tells. Where none does, the same query is right, a different answer wrong, and all else "undecided". The idea of many
small databases is that of Zhong et al. (2020), "Semantic evaluation for text-to-SQL with distilled test suites".
The published metrics stand beside as measures (`execution.metrics`), taken on the real database alone where there is
one; `metric` names the one that decides. Without a schema that can be read, and without a database, queries are
compared as text (`execution.text`).

Replies vote by their results (`labels`), on databases made for them alone: those that give the same are one
answer, as in the execution-based self-consistency of Shi et al. (2022), "Natural language to code translation
with execution".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from evals.scorers.base import DialectName, Gold, Metric, Score, first_alike, reference, unfenced
from evals.scorers.execution import metrics
from evals.scorers.execution.asked import Asked
from evals.scorers.execution.clues import Clues, clues
from evals.scorers.execution.components import exact_set_match
from evals.scorers.execution.databases import Data, File, generate
from evals.scorers.execution.dialects import DIALECTS, Query
from evals.scorers.execution.guard import Invalid, Refused
from evals.scorers.execution.results import Expected, Rows, bag, nothing, same, sequence
from evals.scorers.execution.runs import Answer, Execute, Runs
from evals.scorers.execution.schema import Schema, Unreadable, schema_of
from evals.scorers.execution.text import normal_query
from storage.records import seed_of

_NO_METRIC = {"ex": 0.0, "test-suite": 0.0, "exact-set-match": 0.0}
_UNREAD = (Invalid, Refused, RecursionError)


def _none(name: str) -> Sequence[File]:
    return ()


@dataclass(frozen=True, slots=True)
class SqlScorer:
    """`execute` must confine what it runs (`tasks.sandbox.runner.Sandbox`), and so must `on_files`.

    The schema is `about["schema"]`; `files` gives the real databases of `about["db_id"]`, the one of its name first.
    """

    execute: Execute
    databases: int = 6
    dialect: DialectName = "sqlite"
    metric: Metric = "execution"
    files: Callable[[str], Sequence[File]] = _none
    on_files: Execute | None = None
    name: str = "sql"

    def score(self, prediction: str, gold: Gold) -> Score:
        expected = reference(gold)
        schema, files = self._subject(gold)
        if schema is None and not files:
            return _as_text(unfenced(prediction), expected)
        known = schema or Schema(())
        try:
            asked = self._read(expected, known)
        except _UNREAD as error:
            return Score("gold-invalid", 0.0, f"gold: {error}")
        try:
            query = self._read(unfenced(prediction), known)
        except Refused as error:
            return Score("refused", 0.0, str(error), _NO_METRIC)
        except (Invalid, RecursionError) as error:
            return Score("invalid", 0.0, str(error), _NO_METRIC)
        typed = known.as_text(self._clues([asked], known).texts)
        parts = exact_set_match(asked, query, known)
        matched = {} if parts is None else {"exact-set-match": float(parts)}
        each = self._runs(typed, [asked, query], expected, files)
        score = self._compare(Asked.of(asked, typed, DIALECTS[self.dialect]), query, each)
        return self._headline(replace(score, measures={**matched, **score.measures}))

    def labels(self, replies: Sequence[str], gold: Gold) -> list[int | None]:
        """Queries are one answer when they are one query, or give the same on all databases and more than nothing."""
        schema, files = self._subject(gold)
        if schema is None and not files:
            return first_alike(normal_query(unfenced(reply)) or None for reply in replies)
        schema = schema or Schema(())
        queries = [self._query(reply, schema) for reply in replies]
        texts = [_normal(query) if query else None for query in queries]
        first = first_alike(texts)
        distinct = {place: query for place, query in enumerate(queries) if query and first[place] == place}
        if not distinct:
            return first
        schema = schema.as_text(self._clues(distinct.values(), schema).texts)
        found: dict[int, tuple[Query, list[Answer]]] = {place: (query, []) for place, query in distinct.items()}
        for runs in self._runs(schema, distinct.values(), str(sorted(filter(None, texts))), files):
            runs.fetch(query.text for query in distinct.values())
            for query, answers in found.values():
                answers += [runs(query.text, i) for i in range(runs.count)]
        label = _agreeing(found)
        return [None if place is None else label[place] for place in first]

    def unusable(self, gold: Gold) -> str:
        """Why a reference cannot be compared with, in a few words; "" where it can, "text" where only as text."""
        schema, files = self._subject(gold)
        if schema is None and not files:
            return "text"
        known = schema or Schema(())
        try:
            query = self._read(reference(gold), known)
        except _UNREAD as error:
            return f"invalid: {error}"
        one = replace(self, databases=1)
        for runs in one._runs(known.as_text(self._clues([query], known).texts), [query], "", files):
            if failed := runs.failure(query.text):
                return f"{failed.failure}: {failed.reason}"
        return ""

    def _subject(self, gold: Gold) -> tuple[Schema | None, Sequence[File]]:
        """The schema that a question is about, if it can be read, and its real databases."""
        files = self.files(str(gold.about.get("db_id", ""))) if self.on_files else ()
        try:
            return schema_of(str(gold.about.get("schema", ""))), files
        except Unreadable:
            return None, files

    def _runs(self, schema: Schema, queries: Iterable[Query], seed: str, files: Sequence[File]) -> list[Runs]:
        """Runs on the real databases, if there are any, and on generated ones."""
        real = [Runs(self.on_files, files, real=True)] if files and self.on_files else []
        return [*real, *([Runs(self.execute, self._databases(schema, queries, seed))] if schema.tables else [])]

    def _read(self, text: str, schema: Schema) -> Query:
        return DIALECTS[self.dialect].read(text, schema)

    def _query(self, reply: str, schema: Schema) -> Query | None:
        """A reply's query; None where it can be told that it has none that may run."""
        try:
            return self._read(unfenced(reply), schema)
        except _UNREAD:
            return None

    def _clues(self, queries: Iterable[Query], schema: Schema) -> Clues:
        """What these queries ask for; a query whose names cannot be followed gives none."""
        trees = []
        for query in queries:
            try:
                if query.tree is not None and clues([query.tree], schema):
                    trees.append(query.tree)
            except (Invalid, RecursionError):
                continue
        return clues(trees, schema)

    def _databases(self, schema: Schema, queries: Iterable[Query], seed: str) -> list[Data]:
        """Databases for some queries, every other one with few ties, every third a loose one."""
        clue = self._clues(queries, schema)
        if not clue.tables:
            clue.tables |= {table.name.lower() for table in schema.tables}
        return [
            generate(schema, clue, seed_of(seed, i), distinct=i % 2 == 0, loose=i % 3 == 2)
            for i in range(self.databases)
        ]

    def _compare(self, gold: Asked, query: Query, each: Sequence[Runs]) -> Score:
        cut = [metrics.without_distinct(one) for one in (gold.query.text, query.text)]
        pairs: list[tuple[Expected, Rows]] = []
        for runs in each:
            runs.fetch([*gold.plain, query.text, *cut], gold.turned)
            if failed := runs.failure(gold.query.text):
                return Score("gold-invalid", 0.0, f"gold: {failed.failure}: {failed.reason}")
            if (failed := runs.failure(query.text)) and failed.failure:
                return Score(failed.failure, 0.0, failed.reason, _measures(gold.query, query, cut, each[0]))
            asked = [(gold.expected(runs, i), runs(query.text, i).rows) for i in range(runs.count)]
            pairs += [(expected, rows) for expected, rows in asked if expected is not None]
        count = sum(runs.count for runs in each)
        score = _judge(pairs, count, alike=_normal(gold.query) == _normal(query))
        return replace(score, measures={**_measures(gold.query, query, cut, each[0]), **score.measures})

    def _headline(self, score: Score) -> Score:
        """The score by the metric that decides."""
        if self.metric == "execution" or score.outcome == "gold-invalid":
            return score
        if self.metric not in score.measures:
            return replace(score, outcome="undecided", value=0.0, reason=f"{self.metric} is not defined for the gold")
        if score.measures[self.metric]:
            return replace(score, outcome="right", value=1.0, reason=f"right by {self.metric}")
        outcome = "wrong" if score.outcome in ("right", "undecided") else score.outcome
        return replace(score, outcome=outcome, value=0.0, reason=f"not right by {self.metric}: {score.reason}")


def _as_text(prediction: str, expected: str) -> Score:
    """A score where nothing can be run: the schema is none, and no database is there."""
    if not expected.strip():
        return Score("gold-invalid", 0.0, "gold: there is no query")
    if not prediction.strip():
        return Score("invalid", 0.0, "there is no query")
    same_text = normal_query(prediction) == normal_query(expected)
    said = "the same text as the reference" if same_text else "another text than the reference"
    reason = f"{said}; the schema cannot be read, so that nothing could be run"
    return Score("right" if same_text else "wrong", float(same_text), reason, {"text": float(same_text)})


def _measures(gold: Query, query: Query, cut: Sequence[str], runs: Runs) -> dict[str, float]:
    """The published metrics: ex on the real database or on all generated ones, test-suite on all."""
    places = range(1 if runs.real else runs.count)
    plain = [(runs(gold.text, i), runs(query.text, i)) for i in places]
    by_ex = all(not (a.failure or b.failure) and metrics.ex(a.rows, b.rows) for a, b in plain)
    ordered = metrics.asks_for_order(gold.text)
    bags = [(runs(cut[0], i), runs(cut[1], i)) for i in range(runs.count)]
    suite = all(not (a.failure or b.failure) and metrics.test_suite(a.rows, b.rows, ordered=ordered) for a, b in bags)
    return {"ex": float(by_ex), "test-suite": float(suite)}


def _normal(query: Query) -> str:
    return query.tree.sql(normalize=True) if query.tree is not None else " ".join(query.text.split()).rstrip("; ")


def _agreeing(queries: Mapping[int, tuple[Query, Sequence[Answer]]]) -> dict[int, int | None]:
    """For each query's place that of the first with the same results; None for one that failed."""
    label: dict[int, int | None] = {}
    for place, (query, answers) in queries.items():
        label[place] = None if any(a.failure for a in answers) else place
        if label[place] is None or all(nothing(a.rows) for a in answers):
            continue
        for other in (o for o, mine in label.items() if o == mine and o != place):
            kin, theirs = queries[other]
            shape = sequence if query.ordered and kin.ordered else bag
            if _alike([(shape(a.rows), b.rows) for a, b in zip(theirs, answers, strict=True)]):
                label[place] = other
                break
    return label


def _alike(pairs: Sequence[tuple[Expected, Rows]]) -> bool:
    try:
        return same(pairs)
    except ValueError:
        return False


def _judge(pairs: Sequence[tuple[Expected, Rows]], n: int, *, alike: bool) -> Score:
    measures = {"telling": sum(_tells(expected) for expected, _ in pairs) / n}
    try:
        if not same(pairs):
            pairs = [pair for pair in pairs if not pair[0].torn]
        agree = same(pairs)
    except ValueError as error:
        return Score("undecided", 0.0, str(error), measures)
    if not agree:
        return Score("wrong", 0.0, f"another result on {len(pairs)} databases", measures)
    if telling := sum(_tells(expected) for expected, _ in pairs):
        return Score("right", 1.0, f"the same result on {len(pairs)} databases, {telling} of them telling", measures)
    if alike:
        return Score("right", 1.0, "the same query, though no database tells", measures)
    why = "the gold finds nothing in any of them" if pairs else "the gold's answer rests on chance in all"
    return Score("undecided", 0.0, f"{n} databases do not tell: {why}", measures)


def _tells(expected: Expected) -> bool:
    return not nothing(expected.rows())
