"""Checkpoints that were written to their end, and what they say of the training: a half-written one is passed over.

A kill may come while a checkpoint is written. `seal` is called once all its files are there and notes
their sizes; only a sealed checkpoint whose files still have those sizes is resumed from.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from storage.artifacts import write_json
from storage.records import PonensError

SEAL = "whole.json"
# torch.save names no errno: its zip writer only notices that fewer bytes were written than it gave
FULL = (os.strerror(errno.ENOSPC), os.strerror(errno.EFBIG), "unexpected pos", "PytorchStreamWriter failed")


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
            drop(checkpoint)
    return found


def drop(checkpoint: Path) -> None:
    """Remove what there is of a checkpoint, so that its space is free again."""
    shutil.rmtree(checkpoint, ignore_errors=True)


def unwritable(folder: Path, error: Exception) -> PonensError:
    """Why a file of the training could not be written, and that what was there before is kept."""
    kept = newest_whole(folder)
    full = any(word in str(error) for word in FULL)
    free = shutil.disk_usage(folder if folder.exists() else folder.parent).free
    return PonensError(
        "the disk is full" if full else "training cannot write its files",
        seen=f"{str(error).splitlines()[0]}; {free >> 20:,} MiB free in {folder}",
        expected="room for three checkpoints: two are kept, one is written",
        hint=f"free some space and run the same command: it goes on from {kept.name if kept else 'the start'}",
    )


def no_longer_falls(history: Sequence[Mapping[str, Any]], patience: int | None) -> bool:
    """Whether the last `patience` validation losses are no lower than the lowest before them.

    Told from the history alone, so that a restart decides as an uninterrupted run does.
    """
    losses = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    return patience is not None and len(losses) > patience and min(losses[-patience:]) >= min(losses[:-patience])


def state(checkpoint: Path) -> dict[str, Any]:
    """What transformers noted of the training in a checkpoint: global_step, log_history and more."""
    found: dict[str, Any] = orjson.loads((checkpoint / "trainer_state.json").read_bytes())
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
