"""Take turns at something that only one may change: many may share it, whoever changes it is alone.

    with turn(home.root / "locks" / "warehouse.lock", shared=True, wait_s=60): ...

Counts for processes and threads alike; the kernel ends the turn of a process that dies.
"""

from __future__ import annotations

import fcntl
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PAUSE_S = 0.02


@contextmanager
def turn(lock: Path, *, shared: bool, wait_s: float) -> Iterator[None]:
    """Hold `lock` for the block. TimeoutError if others held it for `wait_s`."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + wait_s
    with lock.open("a") as file:
        while True:
            try:
                fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise TimeoutError(f"{lock} was held for {wait_s:g} s") from None
            time.sleep(random.uniform(0, _PAUSE_S))
        yield
