"""Locks that say who holds them, so that whoever waits can say for whom.

    with holding(file, "train of logic, run 20261122-…", waits=print): ...

The kernel lets go when the last process that has the file open ends: a killed holder's child that was given the file
(`pass_fds`) holds on until it is gone as well.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import orjson

Waits = Callable[[str | None], None]  # hears for whom one waits, and None once that is over


def silent(said: str | None) -> None:
    """The `Waits` of those who do not want to know."""


@contextmanager
def holding(path: Path, who: str, waits: Waits = silent) -> Iterator[None]:
    """Hold `path` for the block, against threads and processes alike; `waits` hears who holds it first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = take(path, who)
    if file is None:
        waits(holder(path))
        file = take(path, who, patient=True)
        waits(None)
    assert file is not None
    with file:
        yield


def take(path: Path, who: str, *, patient: bool = False) -> IO[bytes] | None:
    """The lock file, open and held until it is closed; None if another holds it and one is not `patient`."""
    while True:
        file = path.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX if patient else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        except BaseException:
            file.close()
            raise
        if _same(file, path):
            break
        file.close()  # somebody has cleared it away: a lock on what nobody finds holds nobody off
    file.truncate(0)
    file.write(orjson.dumps({"who": who, "pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}))
    file.flush()
    return file


def holder(path: Path) -> str:
    """Who holds `path`, in words."""
    try:
        said = orjson.loads(path.read_bytes())
        return f"{said['who']} (process {said['pid']}, since {said['since']})"
    except (OSError, ValueError, KeyError, TypeError):  # it is just being taken
        return "another process"


def _same(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
