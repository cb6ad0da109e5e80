"""Scored replies as the parquet file of an evaluation that fills the warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

SCORES = "scores.parquet"
_COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("question", "group", "subject"), pl.String),
    "index": pl.Int32,
    **dict.fromkeys(("text", "finish", "outcome"), pl.String),
    "value": pl.Float64,
    **dict.fromkeys(("reason", "measures"), pl.String),
    "label": pl.Int32,
    "wins": pl.Boolean,
}


def write(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """One row a reply; `index` is -1 for the greedy one, `measures` JSON, `wins` true for a subject's answer."""
    pl.DataFrame(rows, schema=_COLUMNS).write_parquet(folder / SCORES)
