"""n-grams that a source shares with evaluation sets: tables for sql/2_against.sql.

13 words, after GPT-3 (arXiv 2005.14165, appendix C); 20 characters where an evaluation set asks in Chinese, which has
about 1.5 characters to a word. A row overlaps where the shared n-grams come to a share of the shorter of the two texts,
as in Qwen2 (arXiv 2407.10671), whose share of 0.6 takes two puzzles of one template for one; n-grams of more than
`COMMON` problems are boilerplate.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import duckdb
import numpy as np
import polars as pl

from storage.cleaning.compare import asked
from storage.cleaning.signs import runs
from storage.dialogues import Record
from storage.records import folded, language_of

WORDS, CHARACTERS = 13, 20
COMMON = 10
_BATCH = 2_000
_WORD = r"\p{Han}|[\w--\p{Han}]+"
_EVALUATION: dict[str, Any] = {
    "item": pl.Int64,
    **dict.fromkeys(("id", "asks", "file", "problem", "text"), pl.String),
    **{"line": pl.Int64, "n": pl.Int32},
}
_HITS = "create temp table hits (position bigint, total bigint, n integer, gram ubigint)"
_BATCHES = """
select position, asked as text from rows where position between $first and $last
"""


def tables(con: duckdb.DuckDBPyConnection, against: Iterable[Record]) -> bool:
    """Make `evaluation` and `grams` of evaluation sets, `hits` of the view `rows`; False without any."""
    items = _words(pl.DataFrame([_row(number, one) for number, one in enumerate(against)], _EVALUATION))
    if items.is_empty():
        return False
    sizes = items["n"].unique().to_list()
    known = pl.concat(_grams(items.filter(n=n), n) for n in sizes)
    firsts = known.group_by("item", "n", "gram").agg(pl.min("start"))
    _keep(con, "evaluation", items)
    _keep(con, "grams", firsts.join(items.select("item", "problem"), on="item"))
    con.execute(_HITS).fetchall()
    [[last]] = con.execute("select coalesce(max(position), -1) from standing").fetchall()
    for first in range(0, last + 1, _BATCH):
        batch = _words(con.sql(_BATCHES, params={"first": first, "last": first + _BATCH - 1}).pl())
        for n in sizes:
            mine = _grams(batch, n).with_columns(total=pl.len().over("position"))
            shared = mine.join(firsts.filter(n=n), on="gram", how="semi")
            con.register("found", shared.select("position", "total", "n", "gram").unique())
            con.execute("insert into hits by name from found").fetchall()
            con.unregister("found")
    return True


def _row(number: int, record: Record) -> dict[str, Any]:
    words, text = asked(record)
    return {
        "item": number,
        "id": record.id,
        "asks": words.asks,
        "file": record.file,
        "line": record.line,
        "problem": record.group,
        "text": text,
        "n": CHARACTERS if language_of(text) == "zh" else WORDS,
    }


def _words(frame: pl.DataFrame) -> pl.DataFrame:
    """Column `words` for `text`: words in lower case, Chinese ones character by character."""
    plain = pl.Series([folded(text) for text in frame["text"]], dtype=pl.String).str.to_lowercase()
    return frame.with_columns(words=plain.str.extract_all(_WORD)).drop("text")


def _grams(frame: pl.DataFrame, n: int) -> pl.DataFrame:
    """A row for each n-gram of `words`: its first column, `start` from 1, `n`, and the hash `gram`."""
    lengths = frame["words"].list.len().cast(pl.Int64).to_numpy()
    hashes = frame["words"].explode(empty_as_null=False).hash().to_numpy()
    room = np.maximum(lengths - n + 1, 0)
    start = np.arange(room.sum()) - np.repeat(np.cumsum(room) - room, room) + 1
    return pl.DataFrame(
        {
            frame.columns[0]: np.repeat(frame[:, 0].to_numpy(), room),
            "start": start,
            "n": pl.Series([n], dtype=pl.Int32).new_from_index(0, len(start)),
            "gram": runs(hashes, np.concatenate([[0], np.cumsum(lengths)]), n),
        }
    )


def _keep(con: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    con.register("frame", frame)
    con.execute(f"create temp table {name} as from frame").fetchall()
    con.unregister("frame")
