"""n-grams that a source shares with evaluation sets: tables `evaluation` and `hits` for sql/2_against.sql.

13 words, after GPT-3 (arXiv 2005.14165, appendix C); 20 characters where a question is Chinese, which has about
1.5 characters to a word. A row overlaps where the shared n-grams come to a share of the shorter of the two texts,
as Qwen2 has it (arXiv 2407.10671, its share 0.6); n-grams of more than `COMMON` problems are boilerplate.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import duckdb
import polars as pl

from storage.cleaning.signs import said
from storage.records import Question

WORDS, CHARACTERS = 13, 20
COMMON = 10
_BATCH = 10_000
_WORD = r"\p{Han}|[\w--\p{Han}]+"
_TEXTS = ("id", "same", "file", "problem", "text")
_EVALUATION: dict[str, Any] = {
    **dict.fromkeys(_TEXTS, pl.String),
    **{"item": pl.Int64, "line": pl.Int64, "n": pl.Int32},
}
_HITS = """
insert into hits
with own as (
  select position, n, words, len(words) - n + 1 as total from batch, (select distinct n from evaluation)
),
every as (
  select position, total, n, hash(words[i : i + n - 1]) as gram from (select *, unnest(range(1, total + 1)) as i from own)
)
select distinct position, total, n, gram from every semi join known using (n, gram)
"""
_KNOWN = """
create temp table known as
select distinct n, hash(words[i : i + n - 1]) as gram
from (select *, unnest(range(1, len(words) - n + 2)) as i from evaluation)
"""


def tables(con: duckdb.DuckDBPyConnection, against: Iterable[Question]) -> bool:
    """Make `evaluation` of the questions of evaluation sets, `hits` of the view `rows`; False if there are none."""
    frame = _words(pl.DataFrame([_row(number, q) for number, q in enumerate(against)], _EVALUATION))
    if frame.is_empty():
        return False
    con.register("asked", frame)
    con.execute("create temp table evaluation as from asked").fetchall()
    con.unregister("asked")
    con.execute(_KNOWN).fetchall()
    con.execute("create temp table hits (position bigint, total bigint, n integer, gram ubigint)").fetchall()
    total = con.execute("select coalesce(max(position), -1) + 1 from standing").fetchall()[0][0]
    for start in range(0, total, _BATCH):
        batch = con.sql(
            "select position, problem || ' ' || question as text from rows where position between $first and $last",
            params={"first": start, "last": start + _BATCH - 1},
        )
        con.register("batch", _words(batch.pl()))
        con.execute(_HITS).fetchall()
        con.unregister("batch")
    return True


def _row(number: int, question: Question) -> dict[str, Any]:
    return {
        "item": number,
        "id": question.id,
        "same": said(question.problem, question.question, question.options).digest,
        "file": question.file,
        "line": question.line,
        "problem": question.group,
        "text": f"{question.problem} {question.question}",
        "n": CHARACTERS if question.language == "zh" else WORDS,
    }


def _words(frame: pl.DataFrame) -> pl.DataFrame:
    """Column `words` for `text`: words in lower case, Chinese ones character by character."""
    plain = pl.col("text").str.normalize("NFKC").str.to_lowercase()
    return frame.with_columns(words=plain.str.extract_all(_WORD)).drop("text")
