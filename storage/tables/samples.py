"""Samples on disk as they finish, named by what made them, so that nothing is ever sampled twice.

    key = sample_key(weights=…, prompt=…, …)
    Samples(home.samples).find({key, …})     what is there already
    Samples(home.samples).add(kept)          there when this returns, whatever happens to the process
    write_tables(folder, samples, ballots)   samples.parquet and ballots.parquet of an evaluation

The text is kept and not what was read from it: a better parser needs no new samples.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import polars as pl

from storage.journal import Journal, rows
from storage.records import Ballot, Sample, digest

SAMPLES, BALLOTS = "samples.parquet", "ballots.parquet"
_SAMPLES: dict[str, Any] = {
    **dict.fromkeys(("question", "subject"), pl.String),
    "index": pl.Int32,
    **dict.fromkeys(("text", "finish"), pl.String),
    "tokens": pl.Int32,
    **dict.fromkeys(("answer", "extractor"), pl.String),
    "logprob": pl.Float64,
}
_BALLOTS: dict[str, Any] = {
    **dict.fromkeys(("question", "group", "subject", "gold"), pl.String),
    "votes": pl.List(pl.String),
    "winner": pl.String,
}


@dataclass(frozen=True, slots=True)
class Kept:
    """A finished reply; `finish` and `logprob` as in `Sample`."""

    key: str
    text: str
    finish: str
    tokens: int
    logprob: float | None = None


def sample_key(engine: str, weights: str, context: int | None, **asked: object) -> str:
    """64 hex digits that name one reply: the subject's weights, the text asked, and how it is decoded."""
    return digest([engine, weights, context, asked])


class Samples:
    """The journal of one home's samples."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # a power cut may cost the last seconds, which are sampled again; a kill costs nothing
        self._journal = Journal(folder, durable=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._journal.close()

    def find(self, keys: Collection[str]) -> dict[str, Kept]:
        """Of these keys, those that are there; of a key sampled twice the first stays."""
        found: dict[str, Kept] = {}
        for row in rows(self.folder):
            if (key := str(row.get("key"))) in keys and key not in found:
                found[key] = Kept(key, row["text"], row["finish"], row["tokens"], row.get("logprob"))
        return found

    def add(self, kept: Kept, /, **about: Any) -> None:
        """Append a reply, with whatever helps a person who reads the file."""
        self._journal.append({**asdict(kept), **about})


def write_tables(
    folder: Path, samples: Mapping[str, Sequence[Sample]], ballots: Mapping[str, Mapping[str, Ballot]]
) -> None:
    """Samples by subject, and ballots by subject and question, as the two files that fill the warehouse."""
    said = [asdict(sample) for found in samples.values() for sample in found]
    pl.DataFrame(said, schema=_SAMPLES).write_parquet(folder / SAMPLES)
    cast = [
        {
            "question": b.question,
            "group": b.group,
            "subject": name,
            "gold": b.gold,
            "votes": list(b.votes),
            "winner": b.winner,
        }
        for name, found in ballots.items()
        for b in found.values()
    ]
    pl.DataFrame(cast, schema=_BALLOTS).write_parquet(folder / BALLOTS)
