"""What a run says of itself while it is under way: steps, progress and log, for whoever looks on.

    with following(folder) as progress:      folder is runs/ID
        progress.begin("train", key); progress.tick(3, 40, "steps", "loss 1.2"); progress.end(…)

    progress.json   {"steps": [those done], "now": {name, key, began, done, total, unit, note} or null}
    log.txt         what the house logged

A disk that is full costs these files alone.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storage.artifacts import write_json

PROGRESS, LOG = "progress.json", "log.txt"
_EVERY_S = 1.0


class RunProgress:
    """The progress of one run; of ticks that follow one another within a second the first is on disk."""

    def __init__(self, folder: Path, clean: Callable[[str], str]) -> None:
        self._file, self._clean = folder / PROGRESS, clean
        self._steps: list[dict[str, Any]] = []
        self._now: dict[str, Any] | None = None
        self._written = float("-inf")
        self._lock = threading.Lock()

    def begin(self, name: str, key: str) -> None:
        """A step begins."""
        now = {"name": name, "key": key, "began": _time(), "done": None, "total": None, "unit": "", "note": ""}
        self._set(now)
        self._written = float("-inf")  # its first tick is seen at once

    def tick(self, done: int, total: int | None, unit: str, note: str) -> None:
        """The step under way has come so far."""
        if self._now is not None:
            told = {"done": done, "total": total, "unit": unit, "note": self._clean(note)}
            self._set({**self._now, **told}, at_once=done == total)

    def waits(self, why: str | None) -> None:
        """The step under way waits, or goes on."""
        if self._now is not None:
            self._set({**self._now, "note": f"waits: {self._clean(why)}" if why else ""})

    def end(self, step: dict[str, Any]) -> None:
        """A step is done, or has failed: its name, status, seconds and key."""
        self._steps.append(step)
        self._set(None)

    def _set(self, now: dict[str, Any] | None, *, at_once: bool = True) -> None:
        with self._lock:
            self._now = now
            if at_once or time.monotonic() - self._written >= _EVERY_S:
                self._written = time.monotonic()
                with suppress(OSError):
                    write_json(self._file, {"steps": self._steps, "now": now, "at": _time()})


class _Lines(logging.FileHandler):
    """A log file that a full disk cuts short: it ends no run, and its trace is not put between a person's lines."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Leave the line out."""


@contextmanager
def following(folder: Path, log: logging.Logger, clean: Callable[[str], str]) -> Iterator[RunProgress]:
    """The progress of the run in `folder` for the block; what `log` is told goes to its log.txt, `clean`ed of keys."""
    handler: logging.Handler
    try:
        handler = _Lines(folder / LOG, encoding="utf-8", errors="replace")
    except OSError:
        handler = logging.NullHandler()
    handler.setFormatter(_Cleaned(clean))
    log.addHandler(handler)
    try:
        yield RunProgress(folder, clean)
    finally:
        log.removeHandler(handler)
        with suppress(OSError):
            handler.close()


class _Cleaned(logging.Formatter):
    """Time, level and words of a line, without keys."""

    def __init__(self, clean: Callable[[str], str]) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
        self._clean = clean

    def format(self, record: logging.LogRecord) -> str:
        return self._clean(super().format(record))


def _time() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
