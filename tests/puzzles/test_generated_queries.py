"""Generated questions for SQL: each query runs over its schema, and none is asked twice."""

import sqlite3
from collections import Counter
from itertools import islice

import pytest

from puzzles import queries
from puzzles.generate import generate
from storage.records import UsageError


def test_every_query_runs_over_its_schema() -> None:
    for row in queries.generate(600, seed=4):
        with sqlite3.connect(":memory:") as database:
            database.executescript(row["context"])
            database.execute(row["answer"]).fetchall()


def test_a_question_stands_once_over_a_schema_and_a_schema_has_a_few() -> None:
    rows = list(queries.generate(600, seed=4))
    asked = Counter((row["context"], row["question"]) for row in rows)
    sizes = Counter(row["context"] for row in rows)

    assert 600 == len(rows)
    assert {1} == set(asked.values())
    assert queries.ROWS_PER_SCHEMA == max(sizes.values())
    assert len(sizes) >= 600 // queries.ROWS_PER_SCHEMA


def test_the_same_seed_gives_the_same_rows_and_another_gives_others() -> None:
    first, again, other = (list(islice(generate(30, seed, ["queries"]), 30)) for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_queries_do_not_stand_among_puzzles() -> None:
    with pytest.raises(UsageError, match="stands alone"):
        generate(10, 1, ["compass", "queries"])
