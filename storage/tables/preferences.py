"""Preferences as parquet files of an artifact: replies to training questions, of which one is chosen and one rejected.

    preferences.parquet            id, question, group, split, source, prompt, chosen, rejected (chat messages)
    train.parquet, valid.parquet   the same by split, in the order of their ids
    drops.parquet                  question, reason: what did not become a preference, and why

An unpaired preference has null for the side that it lacks. Identity is what the rows say, so it depends on neither the
order in which they were found nor the files' bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq

from storage.records import Message, PonensError, digest
from storage.sqlfiles import quoted, word_for_word

PREFERENCES, DROPS = "preferences.parquet", "drops.parquet"
_CHAT = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
_COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("id", "question", "group", "split", "source"), pl.String),
    **dict.fromkeys(("prompt", "chosen", "rejected"), _CHAT),
}
_CHUNK = 2_000
# Each is a promise of the build that must count nothing; `asked` are all records that parse left.
LEAKS = {
    "preferences of test questions": """
        select count(*) as n from preferences where question in (select id from asked where split = 'test')""",
    "preferences of test groups": """
        select count(*) as n from preferences where "group" in (select "group" from asked where split = 'test')""",
    "preferences of questions that are not there": """
        select count(*) as n from preferences p anti join asked a on a.id = p.question and a.split = p.split""",
    "groups in both train and valid": """
        select count(*) as n from (select "group" from preferences group by 1 having count(distinct split) > 1)""",
    "preferences that are there twice": """
        select count(*) - count(distinct id) as n from preferences""",
}


@dataclass(frozen=True, slots=True)
class Preference:
    """One row: a reply that is `chosen`, one that is `rejected`, or both; `source` is where they came from."""

    question: str
    group: str
    split: str
    source: str
    prompt: tuple[Message, ...]
    chosen: str | None
    rejected: str | None

    @property
    def id(self) -> str:
        """16 hex digits: the identity of prompt and replies."""
        return digest([[m.dict() for m in self.prompt], self.chosen, self.rejected])[:16]

    def row(self) -> dict[str, Any]:
        """The row of the parquet file."""
        return {
            **{name: getattr(self, name) for name in ("id", "question", "group", "split", "source")},
            "prompt": [{"role": m.role, "content": m.content} for m in self.prompt],
            **{name: _reply(getattr(self, name)) for name in ("chosen", "rejected")},
        }


def write(folder: Path, found: Iterable[Preference], drops: Iterable[tuple[str, str]]) -> str:
    """Fill `folder`; the identity, 64 hex digits. Of rows that say the same the first stays. Memory stays flat."""
    ids: set[str] = set()
    with pq.ParquetWriter(folder / "unsorted.parquet", _arrow([]).schema) as writer:
        for chunk in _chunks(_once(found, ids)):
            writer.write_table(_arrow(chunk))
    with duckdb.connect() as con:
        for name, where in {
            PREFERENCES: "true",
            **{f"{s}.parquet": f"split = '{s}'" for s in ("train", "valid")},
        }.items():
            place = f"{quoted(word_for_word(folder))}/unsorted.parquet"
            con.execute(
                f"copy (from read_parquet('{place}', hive_partitioning = false) where {where} order by id) "
                f"to '{quoted(folder / name)}' (format parquet, compression zstd)"
            ).fetchall()
    (folder / "unsorted.parquet").unlink()
    pl.DataFrame(list(drops), {"question": pl.String, "reason": pl.String}, orient="row").sort(
        "question", "reason"
    ).write_parquet(folder / DROPS)
    return digest(sorted(ids))


def leaks(folder: Path, asked: Path) -> dict[str, int]:
    """What is where it must not be, by SQL over the preferences and all records that parse left; all are to be 0."""
    with duckdb.connect() as con:
        for view, file in (("preferences", folder / PREFERENCES), ("asked", asked)):
            con.execute(
                f"create view {view} as from read_parquet('{quoted(word_for_word(file))}', hive_partitioning = false)"
            ).fetchall()
        return {name: con.execute(sql).fetchall()[0][0] for name, sql in LEAKS.items()}


def read(split: Path) -> list[dict[str, Any]]:
    """The rows of train.parquet or valid.parquet; none if the file is not there."""
    return pl.read_parquet(split, glob=False).to_dicts() if split.exists() else []


def check(folder: Path, asked: Path) -> Mapping[str, int]:
    """What `leaks` counts. PonensError if that is anything: nothing of it may be trained on."""
    found = leaks(folder, asked)
    if leaked := {name: count for name, count in found.items() if count}:
        raise PonensError(
            "preferences stand where they must not",
            seen=", ".join(f"{name}: {count}" for name, count in leaked.items()),
            expected="training and validation questions alone, each problem on one side",
            hint="run again with `--refresh parse`",
        )
    return found


def _reply(text: str | None) -> list[dict[str, str]] | None:
    return None if text is None else [{"role": "assistant", "content": text}]


def _once(found: Iterable[Preference], ids: set[str]) -> Iterator[dict[str, Any]]:
    """The rows that say something new; `ids` takes theirs in."""
    for one in found:
        if (row := one.row())["id"] not in ids:
            ids.add(row["id"])
            yield row


def _chunks(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    yield chunk


def _arrow(rows: list[dict[str, Any]]) -> Any:
    return pl.DataFrame(rows, _COLUMNS).to_arrow(compat_level=pl.CompatLevel.oldest())
