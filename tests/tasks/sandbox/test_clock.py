"""What asks SQLite for the time is told one and the same, whenever and wherever it is asked."""

from collections.abc import Iterator

import pytest

from evals.scorers.execution.databases import Data
from evals.scorers.execution.schema import Column, Table
from tasks.sandbox.clock import NOW
from tasks.sandbox.runner import Sandbox
from tests.evals.scorers.test_sql_as_sqlite import STAFF, score

pytestmark = pytest.mark.process
DAYS = ("2024-01-01", "now", None)
DATA = Data((Table("t", (Column("a", "number"), Column("b", "text"))),), {"t": ((1, 2, 3), DAYS)})


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.mark.parametrize(
    ("expected", "asked"),
    [
        (NOW[:10], "date('now')"),
        (NOW[:10], "date('NOW')"),
        (NOW[:10], "date()"),
        (NOW[:10], "CURRENT_DATE"),
        (NOW[:10], "current_date"),
        (NOW[11:], "CURRENT_TIME"),
        (NOW[11:], "time()"),
        (NOW, "CURRENT_TIMESTAMP"),
        (NOW, "datetime('now')"),
        (NOW, "datetime('now', 'localtime')"),
        (NOW, "datetime('now', 'utc')"),
        ("2024-12-31", "date('now', '-1 day')"),
        ("2025-01-31", "date('now', 'start of month', '+1 month', '-1 day')"),
        ("2025", "strftime('%Y')"),
        ("2025", "strftime('%Y', 'now')"),
        (2023, "strftime('%Y', 'now') - 2"),
        ("2025", "strftime('%Y', CURRENT_TIMESTAMP)"),
        (2460677.0, "julianday()"),
        (366.5, "julianday('now') - julianday('2024-01-01')"),
        (1735732800, "strftime('%s', 'now') + 0"),
        (NOW[:10], "(SELECT date(b) FROM t WHERE b = 'now')"),
        (1, "(SELECT count(*) FROM t WHERE b < date('now'))"),
        (None, "date(NULL)"),
        (None, "strftime()"),
        ("2024", "strftime('%Y', '2024-05-06')"),
        ("now", "'now'"),
    ],
)
def test_the_time_is_the_same_for_whoever_asks(expected: object, asked: str, sandbox: Sandbox) -> None:
    (answer,) = sandbox([DATA], [(f"SELECT {asked}", 0)])

    assert [[expected]] == answer.rows, answer


def test_a_query_that_asks_the_time_is_scored_alike_on_any_day(sandbox: Sandbox) -> None:
    gold = "SELECT name FROM staff WHERE strftime('%Y', 'now') - strftime('%Y', hired) > 30"

    assert (
        "right"
        == score(sandbox, gold, gold.replace("strftime('%Y', 'now')", "strftime('%Y', CURRENT_DATE)"), STAFF).outcome
    )
    assert "right" == score(sandbox, gold, gold.replace("strftime('%Y', 'now')", "2025"), STAFF).outcome
    assert "wrong" == score(sandbox, gold, gold.replace("'now'", "'now', '+1 year'"), STAFF).outcome
