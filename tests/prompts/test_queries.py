"""What query is read from a reply: tests/prompts/queries.jsonl, a reply a line.

`queries` is how many the reply gives, `whole` whether the end of the one that is read is there, `hard` whether the
reply was made to mislead.
"""

import json
import re
from pathlib import Path

import pytest

from prompts import sql
from prompts.queries import query

REPLIES = [json.loads(line) for line in Path(__file__).with_name("queries.jsonl").read_text("utf-8").splitlines()]
SPIDER = Path(__file__).resolve().parents[3] / "shared/data/sql_spider/question_context_answer.jsonl"


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{n}") for n, row in enumerate(REPLIES, 1)])
def test_a_reply_gives_the_query_that_the_table_says(row):
    answer = sql.read(row["reply"])
    several = re.fullmatch(r"the last of (\d+) queries in the reply", answer.note)

    assert (row["query"], row["whole"]) == (answer.text, answer.whole)
    assert (row["queries"] if row["queries"] > 1 else None) == (int(several[1]) if several else None)


def test_the_table_is_large_and_hard() -> None:
    assert len(REPLIES) >= 150
    assert sum(row["hard"] for row in REPLIES) >= len(REPLIES) / 2
    assert len({row["reply"] for row in REPLIES}) == len(REPLIES)


@pytest.mark.parametrize(
    ("reply", "queries"), [("SELECT 1", 1), ("no query", 0), ("SELECT a FROM t; SELECT b FROM t", 2)]
)
def test_queries_are_counted(reply: str, queries: int) -> None:
    assert queries == query(reply).queries


@pytest.mark.parametrize(
    "piece",
    ["SELECT ", "(", "SELECT a FROM (", "SELECT a FROM t\n", "'", "SELECT 'a", "```sql\nSELECT a FROM t\n```\n", "/*", "with a as (",
     "SELECT a FROM t and then ", "`SELECT a FROM t", "select it from there ", "User: SELECT a FROM t\n", "-- x\n", "{"],
)  # fmt: skip
def test_no_hostile_reply_takes_long(piece: str, bounded: None) -> None:
    sql.read((piece * 100_000)[:100_000])


@pytest.mark.skipif(not SPIDER.exists(), reason="Spider's rows are not beside the repository")
@pytest.mark.parametrize(
    "form", ["{}", "```sql\n{};\n```", "{};\n\nThis query answers it.", "So:\n\n{}\n\nThis returns the answer."]
)
def test_golds_of_spider_are_read_as_they_are_in_any_dress(form: str) -> None:
    golds = [json.loads(line)["answer"].strip().rstrip("; ") for line in SPIDER.read_text("utf-8").splitlines()[::20]]

    assert golds == [sql.read(form.format(gold)).text for gold in golds]
