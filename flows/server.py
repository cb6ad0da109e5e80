"""Prefect's temporary server for a run that has no other, started so that Ctrl-C does not end it first."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress


def start() -> None:
    """Start it, deaf to SIGINT.

    A terminal sends Ctrl-C to the whole group of processes, and a flow whose server is gone waits in
    vain to tell it how it ended. A child inherits the signals that the thread it comes from has blocked;
    so this is a thread's work, and the main thread still hears.
    """
    thread = threading.Thread(target=_start, name="prefect-server", daemon=True)
    thread.start()
    thread.join()


def _start() -> None:
    from prefect.server.api.server import SubprocessASGIServer

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    with suppress(Exception):  # the flow tries again itself, and its error reaches the user
        SubprocessASGIServer().start()
