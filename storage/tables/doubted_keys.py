"""Keys in doubt as a parquet file of the rationales artifact, and back: one row a suspect, the strongest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

SUSPECTS = "suspects.parquet"
SCHEMA: dict[str, Any] = {
    "rank": pl.Int32,
    **dict.fromkeys(("question", "source_id", "file"), pl.String),
    "line": pl.Int64,
    **dict.fromkeys(("problem", "asked"), pl.String),
    "options": pl.List(pl.String),
    **dict.fromkeys(("key", "answer"), pl.String),
    "votes": pl.List(pl.String),
    **dict.fromkeys(("share", "strength"), pl.Float64),
    "evidence": pl.List(pl.String),
}


def write(folder: Path, suspects: Iterable[Mapping[str, Any]]) -> None:
    """Write the rows into the folder's `suspects.parquet`, also where there are none."""
    pl.DataFrame(list(suspects), SCHEMA).write_parquet(folder / SUSPECTS)


def load(folder: Path, most: int | None = None) -> list[dict[str, Any]]:
    """The strongest `most` rows of the folder, all of them by default; none where the file is not there."""
    file = folder / SUSPECTS
    return pl.read_parquet(file, n_rows=most, glob=False).to_dicts() if file.exists() else []
