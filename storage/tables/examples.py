"""The rows of a snapshot, as training takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl


def read(split: Path) -> list[dict[str, Any]]:
    """The rows of train.parquet or valid.parquet: id, prompt, completion; none if the file is not there."""
    wanted = ["id", "prompt", "completion"]
    return pl.read_parquet(split, columns=wanted, glob=False).to_dicts() if split.exists() else []
