"""Dialogues written for other tools.

    messages             rows of OpenAI's chat messages, JSON lines: every dialogue fits
    sharegpt             rows of FastChat's conversations, JSON lines: every dialogue fits
    alpaca               instruction, input, output, history, JSON lines: user and assistant in turn
    prompt-completion    two texts, JSON lines, as LoRAX and Predibase take them: one turn each
    parquet              rows of messages as a parquet file
    datasets             rows of messages as a folder that `datasets.load_from_disk` loads

What is written appears whole under its name or not at all. Memory does not grow with it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from storage.dialogues import Dialogue
from storage.records import UsageError
from storage.sources.formats import alpaca, messages, sharegpt
from storage.sources.formats.base import Fault
from storage.sources.formats.pairs import PROMPT_COMPLETION

_BATCH = 1_000
_MESSAGES = pa.schema(
    {"messages": pa.list_(pa.struct({"role": pa.string(), "content": pa.string(), "train": pa.bool_()}))}
)
_ROWS = {format.name: format.row for format in (messages.FORMAT, sharegpt.FORMAT, alpaca.FORMAT, PROMPT_COMPLETION)}
FORMS = (*_ROWS, "parquet", "datasets")


def write(parts: Mapping[str, Iterable[Dialogue]], folder: Path, form: str) -> dict[str, int]:
    """Write each part, such as "train", into the new `folder`; returns the number of rows of each.

    JSON lines and parquet are a file a part, a datasets folder has a split a part. UsageError if
    `folder` is there already, if there is no such form, if a dialogue does not fit it, or if the
    library that it needs is missing.
    """
    if form not in FORMS:
        raise UsageError("there is no such form", seen=form, expected=f"one of {', '.join(FORMS)}")
    if folder.exists():
        raise UsageError(f"{folder} is there already", hint="name another place with --out")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside:
        aside = Path(beside) / "whole"
        aside.mkdir()
        counts = {name: _part(dialogues, aside / name, form) for name, dialogues in parts.items()}
        if form == "datasets":
            _saved(aside, Path(beside) / "cache")
        aside.rename(folder)
    return counts


def _part(dialogues: Iterable[Dialogue], stem: Path, form: str) -> int:
    if form in _ROWS:
        return _lines(_fitting(dialogues, form), stem.with_suffix(".jsonl"))
    return _parquet(_fitting(dialogues, "messages"), stem.with_suffix(".parquet"))


def _fitting(dialogues: Iterable[Dialogue], form: str) -> Iterator[dict[str, Any]]:
    row: Callable[[Dialogue], dict[str, Any]] | None = _ROWS[form]
    assert row is not None
    for number, dialogue in enumerate(dialogues, start=1):
        try:
            yield row(dialogue)
        except Fault as fault:
            raise UsageError(
                f"row {number} does not fit", seen=fault.reason, hint="messages and sharegpt hold every dialogue"
            ) from None


def _lines(rows: Iterable[dict[str, Any]], path: Path) -> int:
    count = 0
    with path.open("wb") as file:
        for row in rows:
            file.write(orjson.dumps(row) + b"\n")
            count += 1
    return count


def _parquet(rows: Iterator[dict[str, Any]], path: Path) -> int:
    count = 0
    with pq.ParquetWriter(path, _MESSAGES, compression="zstd") as writer:
        while batch := list(islice(rows, _BATCH)):
            writer.write_table(pa.Table.from_pylist(batch, _MESSAGES))
            count += len(batch)
    return count


def _saved(folder: Path, cache: Path) -> None:
    """Turn the parquet parts of `folder` into a saved DatasetDict."""
    try:
        import datasets
    except ImportError:
        raise UsageError("a datasets folder needs the library", hint="pip install 'ponens[train]'") from None
    parts = sorted(folder.glob("*.parquet"))
    watched = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        whole = datasets.DatasetDict(
            {part.stem: datasets.Dataset.from_parquet(str(part), cache_dir=str(cache)) for part in parts}
        )
        whole.save_to_disk(str(folder))
    finally:
        if watched:
            datasets.enable_progress_bars()
    for part in parts:
        part.unlink()
    shutil.rmtree(cache, ignore_errors=True)
