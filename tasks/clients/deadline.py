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
from typing import Any

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


def timed_client() -> Any:
    """The openai SDK's own HTTP client, proxies of the environment included, on a network that keeps `left()`.

    One call is one request: a redirect is not followed, for it would be sent again elsewhere.
    httpx has no public way to give a default transport another network, so this reaches for two of its
    names; the tests with a server that drips would tell if they changed.
    """
    from openai import DefaultHttpxClient

    client: Any = DefaultHttpxClient(follow_redirects=False)
    for transport in (client._transport, *client._mounts.values()):
        if pool := getattr(transport, "_pool", None):  # None where NO_PROXY says so
            pool._network_backend = _Network(pool._network_backend)
    return client


class _Network:
    """An httpcore backend whose streams know when the whole call ends."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> _Stream:
        return _Stream(self._backend.connect_tcp(host, port, timeout=left(timeout), **options))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


class _Stream:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data: bytes = self._stream.read(max_bytes, left(timeout))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, left(timeout))

    def start_tls(self, *args: Any, timeout: float | None = None, **options: Any) -> _Stream:
        return _Stream(self._stream.start_tls(*args, timeout=left(timeout), **options))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
