"""The pages behind a socket of the loopback address, until told to end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from storage.browse.address import HOST
from storage.records import UsageError


def door(port: int, *, another: bool) -> socket.socket:
    """A socket on the loopback address. `another` port is taken where this one is in use, else UsageError says so."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
    except OSError as error:
        if another:
            found.bind((HOST, 0))
            return found
        found.close()
        raise UsageError(
            f"{HOST}:{port} cannot be listened on", seen=error.strerror, hint="choose another --port"
        ) from None
    return found


def serve(app: ASGIApp, at: socket.socket, ready: Callable[[], None]) -> None:
    """Answer until SIGINT or SIGTERM; `ready` is called once the first request can be answered."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=2
    )
    threading.Timer(0.3, ready).start()
    uvicorn.Server(config).run(sockets=[at])
