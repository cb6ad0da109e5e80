"""Append-only JSON lines that survive a kill: one folder, one segment file for each writing process.

    with Journal(folder) as journal:
        journal.append({"key": ..., ...})   # on disk when this returns
    for row in rows(folder): ...            # whole lines of all segments, oldest segment first

Writers never share a file, so they need no lock between processes; a torn last line is passed over.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import orjson


class Journal:
    """This process's segment of a journal; safe to use from many threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._write = threading.Lock()
        self._sync = threading.Lock()
        self._fd: int | None = None
        self._written = self._synced = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one row and return once it is on disk. OSError if the disk is full.

        Threads that wait for the disk share one flush: whoever gets it first flushes for all.
        """
        line = orjson.dumps(row) + b"\n"
        with self._write:
            if self._fd is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                name = f"{time.time_ns()}-{os.getpid()}.jsonl"
                self._fd = os.open(self.folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
            if os.write(self._fd, line) != len(line):
                os.write(self._fd, b"\n")  # the torn line is passed over, the next one starts afresh
                raise OSError(f"disk full while writing to {self.folder}")
            self._written += 1
            mine, fd = self._written, self._fd
        with self._sync:
            if self._synced < mine:
                upto = self._written
                os.fsync(fd)
                self._synced = upto

    def close(self) -> None:
        with self._write, self._sync:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Every whole row of every segment, oldest segment first; memory does not grow with the journal."""
    for segment in sorted(folder.glob("*.jsonl")):
        with segment.open("rb") as file:
            for line in file:
                try:
                    row = orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue
                if isinstance(row, dict):
                    yield row
