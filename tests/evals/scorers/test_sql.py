"""Text-to-SQL by execution: what is right, what is wrong, and what cannot be told."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from evals.scorers.base import Score
from evals.scorers.execution.clues import clues
from evals.scorers.execution.databases import generate
from evals.scorers.execution.guard import parse
from evals.scorers.execution.results import bag, same, sequence
from evals.scorers.execution.schema import Unreadable, schema_of
from evals.scorers.sql import SqlScorer
from storage.dialogues import Dialogue
from storage.records import Message
from tasks.sandbox.runner import Sandbox

SPIDER = Path(__file__).resolve().parents[4] / "shared/data/sql_spider/question_context_answer.jsonl"
SCHEMA = (
    "CREATE TABLE singer (singer_id NUMBER PRIMARY KEY, name TEXT, country TEXT, age NUMBER, born TIME);"
    "CREATE TABLE concert (concert_id NUMBER PRIMARY KEY, title TEXT, year TEXT, singer_id NUMBER,"
    " FOREIGN KEY (singer_id) REFERENCES singer(singer_id))"
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def score(sandbox: Sandbox, prediction: str, gold: str, schema: str = SCHEMA) -> Score:
    record = Dialogue((Message("user", "?"), Message("assistant", gold)), "sql", {"schema": schema})
    return SqlScorer(sandbox).score(prediction, record)


JOINED = "FROM singer AS s JOIN concert AS c ON s.singer_id = c.singer_id"
RIGHT = [
    ("SELECT name FROM singer WHERE age > 40", "```sql\nselect NAME from SINGER where AGE > 40;\n```"),
    ("SELECT name, age FROM singer", "SELECT age, name FROM singer"),
    ("SELECT count(*) FROM singer", "SELECT count(singer_id) AS n FROM singer"),
    ("SELECT name FROM singer WHERE country = 'France'", 'SELECT name FROM singer WHERE country = "France"'),
    ("SELECT name FROM singer WHERE name LIKE '%ann%'", "SELECT name FROM singer WHERE name LIKE '%ANN%'"),
    ("SELECT title FROM concert WHERE year = 2014", "SELECT title FROM concert WHERE year = '2014'"),
    (f"SELECT s.name, count(*) {JOINED} GROUP BY s.singer_id", f"SELECT s.name, count(c.concert_id) {JOINED} GROUP BY s.singer_id, s.name"),
    ("SELECT name, max(age) FROM singer", "SELECT name, age FROM singer ORDER BY age DESC LIMIT 1"),
    ("SELECT name FROM singer ORDER BY age DESC LIMIT 1", "SELECT name FROM singer WHERE age = (SELECT max(age) FROM singer)"),
    ("SELECT avg(age) FROM singer", "SELECT sum(age) * 1.0 / count(age) FROM singer"),
    ("SELECT name FROM singer WHERE singer_id NOT IN (SELECT singer_id FROM concert)", "SELECT s.name FROM singer s LEFT JOIN concert c ON s.singer_id = c.singer_id WHERE c.concert_id IS NULL"),
    ("SELECT count(DISTINCT country) FROM singer", "SELECT count(*) FROM (SELECT DISTINCT country FROM singer)"),
    ("SELECT name FROM singer WHERE singer_id IN (SELECT year FROM concert)", "SELECT s.name FROM singer s WHERE EXISTS (SELECT 1 FROM concert c WHERE c.year = s.singer_id)"),
    ("SELECT country FROM singer GROUP BY country ORDER BY count(*) DESC LIMIT 1", "SELECT country FROM singer GROUP BY 1 ORDER BY count(singer_id) DESC LIMIT 1"),
]  # fmt: skip
WRONG = [
    ("SELECT name FROM singer WHERE age > 40", "SELECT name FROM singer WHERE age >= 40"),
    ("SELECT name FROM singer WHERE age > 40", "SELECT name FROM singer"),
    ("SELECT name FROM singer WHERE age > 40 AND country = 'France'", "SELECT name FROM singer WHERE age > 40 OR country = 'France'"),
    ("SELECT DISTINCT country FROM singer", "SELECT country FROM singer"),
    ("SELECT name FROM singer ORDER BY age", "SELECT name FROM singer ORDER BY age DESC"),
    ("SELECT name FROM singer ORDER BY age", "SELECT name FROM singer"),
    ("SELECT max(age) FROM singer", "SELECT min(age) FROM singer"),
    ("SELECT name, age FROM singer", "SELECT name FROM singer"),
    ("SELECT name FROM singer WHERE country = 'France'", "SELECT name FROM singer WHERE country = 'Farnce'"),
    ("SELECT name FROM singer WHERE country = 'France'", "SELECT name FROM singer WHERE 1 = 0"),
    (f"SELECT s.name {JOINED} WHERE c.year = '2014'", f"SELECT DISTINCT s.name {JOINED} WHERE c.year = '2015'"),
    (f"SELECT s.name {JOINED} GROUP BY s.singer_id HAVING count(*) > 3", f"SELECT s.name {JOINED} GROUP BY s.singer_id HAVING count(*) > 4"),
    ("SELECT country FROM singer WHERE age > 40 INTERSECT SELECT country FROM singer WHERE age < 30", "SELECT country FROM singer WHERE age > 40 UNION SELECT country FROM singer WHERE age < 30"),
    ("SELECT name FROM singer WHERE singer_id NOT IN (SELECT singer_id FROM concert)", "SELECT name FROM singer WHERE singer_id IN (SELECT singer_id FROM concert)"),
]  # fmt: skip


@pytest.mark.process
@pytest.mark.parametrize(("gold", "prediction"), RIGHT)
def test_another_way_to_say_it_is_right(gold: str, prediction: str, sandbox: Sandbox) -> None:
    found = score(sandbox, prediction, gold)

    assert ("right", 1.0) == (found.outcome, found.value), found


@pytest.mark.process
@pytest.mark.parametrize(("gold", "prediction"), WRONG)
def test_another_answer_is_wrong(gold: str, prediction: str, sandbox: Sandbox) -> None:
    found = score(sandbox, prediction, gold)

    assert ("wrong", 0.0) == (found.outcome, found.value), found


@pytest.mark.process
@pytest.mark.parametrize(
    ("prediction", "outcome"),
    [
        ("I cannot say.", "invalid"),
        ("", "invalid"),
        ("SELECT nothing FROM singer", "invalid"),
        ("SELECT name FROM singers", "invalid"),
        ("(" * 5000, "invalid"),
        ("SELECT name FROM singer; SELECT 1", "refused"),
        ("SELECT 1 WHERE " + "1 = 1 AND " * 5000 + "1 = 1", "refused"),
    ],
)
def test_a_prediction_that_is_no_query_says_why(prediction: str, outcome: str, sandbox: Sandbox) -> None:
    found = score(sandbox, prediction, "SELECT name FROM singer")

    assert (outcome, 0.0) == (found.outcome, found.value)
    assert found.reason


@pytest.mark.process
def test_a_gold_that_finds_nothing_anywhere_decides_nothing(sandbox: Sandbox) -> None:
    empty = "SELECT name FROM singer WHERE age > 5 AND age < 5"

    assert "undecided" == score(sandbox, "SELECT name FROM singer WHERE age < 0 AND age > 0", empty).outcome
    assert "wrong" == score(sandbox, "SELECT name FROM singer", empty).outcome
    assert "right" == score(sandbox, empty.lower(), empty).outcome


@pytest.mark.process
@pytest.mark.parametrize(
    ("gold", "schema"),
    [
        ("SELECT name FROM singer WHERE", SCHEMA),
        ("SELECT nothing FROM singer", SCHEMA),
        ("DROP TABLE singer", SCHEMA),
    ],
)
def test_a_gold_that_cannot_run_counts_for_nothing(gold: str, schema: str, sandbox: Sandbox) -> None:
    found = score(sandbox, "SELECT name FROM singer", gold, schema)

    assert "gold-invalid" == found.outcome
    assert not found.counts


@pytest.mark.process
@pytest.mark.skipif(not SPIDER.exists(), reason="Spider's rows are not beside the repository")
def test_a_gold_of_spider_is_right_against_itself(sandbox: Sandbox) -> None:
    rows = [orjson.loads(line) for line in SPIDER.read_bytes().splitlines()][::40]
    found = [score(sandbox, row["answer"], row["answer"], row["context"]) for row in rows]

    assert [] == [(row["answer"], s.reason) for row, s in zip(rows, found, strict=True) if not s.right]


@pytest.mark.process
def test_replies_vote_by_their_results(sandbox: Sandbox) -> None:
    gold = Dialogue((Message("user", "?"), Message("assistant", "nobody looks at this")), "sql", {"schema": SCHEMA})
    replies = [
        "SELECT name FROM singer WHERE age > 40",
        "```sql\nSELECT T.name FROM singer AS T WHERE NOT T.age <= 40\n```",
        "SELECT name FROM singer WHERE age >= 40",
        "select NAME from singer where age > 40",
        "I do not know",
        "SELECT nothing FROM singer",
        "COPY singer TO 'x'",
        "SELECT name FROM singer WHERE age > 5 AND age < 5",
        "SELECT title FROM concert WHERE year < 0 AND year > 9",
    ]

    assert [0, 0, 2, 0, None, None, None, 7, 8] == SqlScorer(sandbox).labels(replies, gold)


@pytest.mark.process
def test_without_a_schema_replies_vote_by_their_text(sandbox: Sandbox) -> None:
    gold = Dialogue((Message("user", "?"), Message("assistant", "x")), "sql", {"schema": "none"})

    assert [0, 0, 2] == SqlScorer(sandbox).labels(["SELECT 1", "select 1;", "SELECT 2"], gold)


def test_a_database_is_a_function_of_its_seed() -> None:
    schema = schema_of(SCHEMA)
    clue = clues([parse("SELECT name FROM singer WHERE country = 'France'", schema)], schema)

    assert generate(schema, clue, 3).columns == generate(schema, clue, 3).columns
    assert generate(schema, clue, 3).columns != generate(schema, clue, 4).columns
    assert "France" in generate(schema, clue, 3).columns["singer"][2]


@pytest.mark.parametrize(("function", "low", "high"), [("avg", 340, 460), ("sum", 10, 120)])
def test_what_a_mean_or_a_sum_is_compared_with_lies_amid_the_values(function: str, low: int, high: int) -> None:
    schema = schema_of(SCHEMA)
    clue = clues([parse(f"SELECT country FROM singer GROUP BY country HAVING {function}(age) > 400", schema)], schema)
    made = generate(schema, clue, 3).columns["singer"]
    ages = [age for age in made[3] if isinstance(age, int) and age not in (399, 400, 401)]

    assert ages
    assert low <= min(ages) <= max(ages) <= high


def test_a_key_is_unique_and_what_refers_to_it_meets_it() -> None:
    schema = schema_of(SCHEMA)
    clue = clues([parse(f"SELECT 1 {JOINED}", schema)], schema)
    for seed in range(10):
        made = generate(schema, clue, seed).columns
        keys = made["singer"][0]

        assert len(keys) == len(set(keys))
        assert set(made["concert"][3]) <= set(keys)


def test_no_schema_is_unreadable() -> None:
    for text in ("", "SELECT 1", "CREATE TABLE t (", "DROP TABLE t", "CREATE TABLE t (a INT); CREATE TABLE T (a INT)"):
        with pytest.raises(Unreadable):
            schema_of(text)


def test_results_are_compared_as_bags_in_any_order_of_columns() -> None:
    assert same([(bag([[1, "a"], [2, "b"]]), [["b", 2], ["a", 1]])])
    assert not same([(sequence([[1, "a"], [2, "b"]]), [["b", 2], ["a", 1]])])
    assert not same([(bag([[1], [1], [2]]), [[1], [2], [2]])])
    assert not same([(bag([[1, 2], [2, 1]]), [[1, 1], [2, 2]])])
    assert not same([(bag([["1"]]), [[1]])])
    assert same([(bag([[0.1 + 0.2]]), [[0.3]])])
    assert same([(bag([[None, 1]]), [[1, None]])])
    assert same([(sequence([]), [])])


def test_one_order_of_columns_must_do_for_all_databases() -> None:
    first, second = [[1, 1]], bag([[1, 2]])

    assert same([(bag(first), first), (second, [[2, 1]])])
    assert not same([(bag([[1, 3]]), [[1, 3]]), (second, [[2, 1]])])
