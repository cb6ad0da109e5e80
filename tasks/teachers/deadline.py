"""A whole call within its time, however its bytes come.

    with within(120): model.invoke(messages)     # the clients' reads ask left() how long they may take

HTTP clients bound each read, and a server that drips a byte now and then keeps any such bound from
firing. The clock is the thread's own, because a client's reads happen in the thread that calls it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_clock = threading.local()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """The block's calls are to end within so many seconds."""
    _clock.end = time.monotonic() + seconds
    try:
        yield
    finally:
        _clock.end = None


def left(timeout: float | None = None) -> float | None:
    """Seconds until the end of the thread's call, at most `timeout`; None without either. TimeoutError once over."""
    end: float | None = getattr(_clock, "end", None)
    if end is None:
        return timeout
    if (rest := end - time.monotonic()) <= 0:
        raise TimeoutError("the call has used up its time")
    return rest if timeout is None else min(rest, timeout)
