"""`ponens mlflow`: MLflow's own page over the runs of a home."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.markup import escape

import flows.offline  # noqa: F401  the server sends nothing home
from flows.show import stderr
from storage import remote
from storage.home import Home
from storage.records import PonensError, UsageError
from tasks.runtime import worker
from tasks.runtime.process import surroundings
from tasks.train.tracking import check, registered, store

_GRACE_S = 5.0


def mlflow(recipe: Path | None, port: int) -> None:
    """Serve it on the loopback address until interrupted; none of its processes outlives this one.

    UsageError where there is nothing to serve.
    """
    check(["mlflow"])
    home = Home.beside(recipe)
    uri = store(home)
    if uri.startswith(("http://", "https://")):
        raise UsageError(
            "MLFLOW_TRACKING_URI names a server", seen=remote.public(uri), hint="open that address in a browser"
        )
    if not os.environ.get("MLFLOW_TRACKING_URI") and not (home.mlflow / "mlflow.db").exists():
        raise UsageError(f"no training of {home.root} was tracked yet", hint="ponens train RECIPE")
    stderr.print(f"MLflow over {remote.public(uri)}: http://127.0.0.1:{port}", soft_wrap=True)
    words = ["mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--default-artifact-root", str(home.mlflow / "artifacts")]
    # the store's password is nothing for a list of processes
    if code := _tethered(words, surroundings({"MLFLOW_BACKEND_STORE_URI": uri})):
        raise PonensError(
            "MLflow's server ended", seen=f"exit code {code}", hint="is the port free? choose another --port"
        )


def follow(home: Home, name: str) -> None:
    """Have MLflow's registered model follow the adapters of a name, where their trainings are tracked."""
    for warning in registered(home, name):
        stderr.print(f"[yellow]![/] {escape(warning)}", soft_wrap=True)


def _tethered(words: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a module's program in a process group of its own until it ends or this process is told to; its exit code.

    `kill` and systemd end the one process that they know: the rest of the group is ended here, or by its lifeline.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    command = [sys.executable, "-m", worker.__name__, *words]
    process = subprocess.Popen(command, env=dict(environment), stdin=subprocess.PIPE, start_new_session=True)
    try:
        return process.wait()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave something behind
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
