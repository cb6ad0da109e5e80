"""Each pair of `sql_pairs` is judged as its table says, and a plain sqlite3, asked on the same rows, agrees."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from evals.scorers.execution.databases import Data
from evals.scorers.execution.runs import Answer, Database
from evals.scorers.sql import SqlScorer
from storage.dialogues import Dialogue
from storage.records import Message
from tasks.sandbox.runner import Sandbox
from tests.evals.sql_pairs import PAIRS, STAFF

pytestmark = pytest.mark.process
Rows = list[tuple[object, ...]]


class Recording:
    """A sandbox that remembers which databases it was given."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.databases = sandbox, list[Database]()

    def __call__(self, databases: Sequence[Database], jobs: Sequence[tuple[str, int]]) -> list[Answer]:
        self.databases = list(databases[: len(databases) // 2])  # the others are the same, turned round
        return self.sandbox(databases, jobs)


@pytest.fixture(scope="module")
def recording() -> Iterator[Recording]:
    with Sandbox() as made:
        yield Recording(made)


def asked(database: Database, sql: str) -> Rows | None:
    """What a plain sqlite3 gives on the rows of a database; None where it refuses."""
    assert isinstance(database, Data)
    connection = sqlite3.connect(":memory:")
    for table in database.tables:
        columns = ", ".join(
            f'"{c.name}" {c.declared}{" COLLATE " + c.collation if c.collation else ""}' for c in table.columns
        )
        connection.execute(f'CREATE TABLE "{table.name}" ({columns})')
        marks = ", ".join("?" * len(table.columns))
        connection.executemany(
            f'INSERT INTO "{table.name}" VALUES ({marks})', zip(*database.columns[table.name], strict=True)
        )
    try:
        return connection.execute(sql).fetchall()
    except sqlite3.Error:
        return None
    finally:
        connection.close()


def alike(one: Rows, other: Rows, *, ordered: bool) -> bool:
    mine, theirs = (
        [tuple(round(v, 5) if isinstance(v, float) else v for v in row) for row in rows] for rows in (one, other)
    )
    return mine == theirs if ordered else Counter(mine) == Counter(theirs)


def contradicted(outcome: str, gold: str, reply: str, databases: Sequence[Database]) -> str:
    """How plain sqlite3 contradicts a score; "" where it does not. Ties and chance it cannot tell from faults."""
    pairs = [(asked(one, gold), asked(one, reply)) for one in databases]
    if outcome in ("invalid", "gold-invalid"):
        return "" if pairs[0][outcome == "invalid"] is None else "sqlite3 runs it"
    if any(mine is None or theirs is None for mine, theirs in pairs):
        return "sqlite3 does not run it"
    chance = "LIMIT" in gold or "ORDER" in gold
    same = [
        alike(mine, theirs, ordered="ORDER" in gold)
        for mine, theirs in pairs
        if mine is not None and theirs is not None
    ]
    if outcome == "wrong":
        return "the rows are the same everywhere" if all(same) else ""
    return "the rows differ" if outcome == "right" and not all(same) and not chance else ""


@pytest.mark.parametrize("cause", PAIRS)
def test_pairs_are_judged_as_sqlite_judges_them(cause: str, recording: Recording) -> None:
    odd = []
    for expected, gold, reply, *schema in PAIRS[cause]:
        record = Dialogue(
            (Message("user", "?"), Message("assistant", gold)), "sql", {"schema": schema[0] if schema else STAFF}
        )
        recording.databases = []
        found = SqlScorer(recording, databases=3).score(reply, record)
        why = contradicted(found.outcome, gold, reply, recording.databases)
        if found.outcome != expected or why or not found.reason:
            odd.append((expected, found.outcome, found.reason, why, gold, reply))

    assert [] == odd


def test_there_are_as_many_pairs_as_were_measured_once() -> None:
    pairs = [tuple(pair[1:]) for pairs in PAIRS.values() for pair in pairs]

    assert 161 <= len(set(pairs))
    assert len(pairs) == len(set(pairs))
