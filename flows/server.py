"""Prefect's server for a run in this process: the one that PREFECT_API_URL names, or a temporary one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from flows.show import stderr
from flows.surroundings import prefect_home, writable
from storage.records import PonensError, UsageError
from storage.remote import public
from tasks.clients import proxies
from tasks.runtime import worker
from tasks.runtime.process import surroundings

if TYPE_CHECKING:
    from prefect.server.api.server import SubprocessASGIServer

_WAIT_S = 10.0


def require(url: str) -> None:
    """PonensError unless something answers at a Prefect API's address; whether it lets us in is for Prefect to say."""
    proxies.check(url)
    try:
        proxies.opener(url).open(f"{url.rstrip('/')}/health", timeout=_WAIT_S).close()
    except urllib.error.HTTPError:
        return
    except (OSError, ValueError) as error:
        raise PonensError(
            "the Prefect server does not answer",
            seen=f"{public(url)}: {error}",
            hint="prefect server start, or set PREFECT_API_URL to one that runs, or unset it: "
            "a run then starts a server of its own",
        ) from None


@contextmanager
def starting() -> Iterator[None]:
    """Start a temporary server beside what the block does; it answers when the block is left.

    It is in a process group of its own, so that Ctrl-C in a terminal, which goes to the whole group, does not end it
    before the flow has told it how it ended; and it ends with this process, however that ends.
    """
    stderr.print("starting Prefect's server …")
    thread = threading.Thread(target=_start, args=(_tethered(),), name="prefect-server", daemon=True)
    thread.start()
    yield
    thread.join()


def _start(server: SubprocessASGIServer) -> None:
    with suppress(Exception):  # the flow tries again itself, and its error reaches the user
        server.start()


def _tethered() -> SubprocessASGIServer:
    """Prefect's own, with its standard input as a lifeline; the one that Prefect finds when it looks for one."""
    import prefect
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import get_current_settings

    class Tethered(SubprocessASGIServer):
        def _run_uvicorn_command(self) -> subprocess.Popen[Any]:
            switches = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
            app = [
                "--app-dir",
                str(prefect.__module_path__.parent),
                "--factory",
                "prefect.server.api.server:create_app",
            ]
            where = ["--host", "127.0.0.1", "--port", str(self.port), "--log-level", "error", "--lifespan", "on"]
            settings = get_current_settings().to_environment_variables(exclude_unset=True)
            return subprocess.Popen(
                [sys.executable, "-m", worker.__name__, "uvicorn", *app, *where],
                env=surroundings({**switches, **settings}),
                stdin=subprocess.PIPE,
                start_new_session=True,
            )

    return Tethered()


def own() -> bool:
    """Whether a run starts a server of its own, because none is named. One that is named has to answer."""
    if url := os.environ.get("PREFECT_API_URL"):
        require(url)
        return False
    if not writable(place := prefect_home(os.environ)):
        raise UsageError(
            "Prefect's folder cannot be written, and a run's own server keeps its database there",
            seen=place,
            hint="set PREFECT_HOME to a folder that can be written, or PREFECT_API_URL to a server that runs",
        )
    os.environ.pop("PREFECT_API_URL", None)  # set but empty breaks Prefect's event worker
    return True
