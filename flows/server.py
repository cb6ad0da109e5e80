"""Prefect's temporary server for a run that has no other, started so that Ctrl-C does not end it first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect.server.api.server import SubprocessASGIServer


@contextmanager
def starting() -> Iterator[None]:
    """Start it, deaf to SIGINT, beside what the block does; it answers when the block is left.

    A terminal sends Ctrl-C to the whole group of processes, and a flow whose server is gone waits in
    vain to tell it how it ended. A child inherits the signals that the thread it comes from has blocked;
    so this is a thread's work, and the main thread still hears.
    """
    from prefect.server.api.server import SubprocessASGIServer

    thread = threading.Thread(target=_start, args=(SubprocessASGIServer(),), name="prefect-server", daemon=True)
    thread.start()
    yield
    thread.join()


def _start(server: SubprocessASGIServer) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    with suppress(Exception):  # the flow tries again itself, and its error reaches the user
        server.start()
