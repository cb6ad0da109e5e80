"""Checkpoints that were written to their end: a half-written one is passed over.

A kill may come while a checkpoint is written. `seal` is called once all its files are there and notes
their sizes; only a sealed checkpoint whose files still have those sizes is resumed from.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson

from storage.artifacts import write_json

SEAL = "whole.json"


def seal(checkpoint: Path) -> None:
    """Mark a checkpoint as whole."""
    write_json(checkpoint / SEAL, {str(p.relative_to(checkpoint)): p.stat().st_size for p in _files(checkpoint)})


def newest_whole(folder: Path) -> Path | None:
    """The whole checkpoint with the most steps, or None; broken ones are removed on the way."""
    found = None
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=_step):
        if _whole(checkpoint):
            found = checkpoint
        else:
            shutil.rmtree(checkpoint)
    return found


def _whole(checkpoint: Path) -> bool:
    try:
        sizes = orjson.loads((checkpoint / SEAL).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return False
    return all(
        (checkpoint / name).is_file() and (checkpoint / name).stat().st_size == size for name, size in sizes.items()
    )


def _files(checkpoint: Path) -> list[Path]:
    return sorted(p for p in checkpoint.rglob("*") if p.is_file() and p.name != SEAL)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rsplit("-", 1)[1])
