"""Append-only JSON lines that survive a kill: one folder, one segment file for each writing process.

    with Journal(folder) as journal:
        journal.append({"key": ..., ...})   # on disk when this returns
    for row in rows(folder): ...            # whole lines of all segments, oldest segment first

Writers never share a file, so they need no lock between processes; a torn last line is passed over.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson


class Place(NamedTuple):
    """Where a row stands: its segment file and the byte at which it starts."""

    segment: Path
    start: int


class Journal:
    """This process's segment of a journal; safe to use from many threads.

    A row outlives the process as soon as it is appended; `durable` rows outlive a power cut as well.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder, self.durable = folder, durable
        self._write = threading.Lock()
        self._sync = threading.Lock()
        self._fd: int | None = None
        self.segment = folder
        self._written = self._synced = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def append(self, row: Mapping[str, Any]) -> Place:
        """Write one row; once it is on disk, return where. OSError if the disk is full.

        Threads that wait for the disk share one flush: whoever gets it first flushes for all.
        """
        line = orjson.dumps(row) + b"\n"
        with self._write:
            if self._fd is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                name = f"{time.time_ns()}-{os.getpid()}.jsonl"
                self._fd = os.open(self.folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
                fcntl.flock(self._fd, fcntl.LOCK_EX)  # as long as this is held, the segment may grow
                self.segment = self.folder / name
            place = Place(self.segment, os.lseek(self._fd, 0, os.SEEK_END))
            if os.write(self._fd, line) != len(line):
                os.write(self._fd, b"\n")  # the torn line is passed over, the next one starts afresh
                raise OSError(f"disk full while writing to {self.folder}")
            self._written += 1
            mine, fd = self._written, self._fd
        with self._sync:
            if self.durable and self._synced < mine:
                upto = self._written
                os.fsync(fd)
                self._synced = upto
        return place

    def close(self) -> None:
        with self._write, self._sync:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Every whole row of every segment, oldest segment first; memory does not grow with the journal."""
    for segment in sorted(folder.glob("*.jsonl")):
        for _, _, row in located(segment):
            yield row


def located(segment: Path, start: int = 0) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """(where the row starts, where the next one starts, row) for every whole row from `start` on.

    A last line without its newline is left for later: its writer may be in the middle of it.
    """
    with segment.open("rb") as file:
        file.seek(start)
        following = start
        for line in file:
            if not line.endswith(b"\n"):
                return
            here, following = following, following + len(line)
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(row, dict):
                yield here, following, row


def row_at(place: Place) -> dict[str, Any]:
    """The one row that starts at `place`."""
    with place.segment.open("rb") as file:
        file.seek(place.start)
        row: dict[str, Any] = orjson.loads(file.readline())
        return row
