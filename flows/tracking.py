"""`ponens mlflow`: MLflow's own page over the runs of a home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import flows.offline  # noqa: F401  the server sends nothing home
from flows.show import stderr
from storage import remote
from storage.home import Home
from storage.records import PonensError, UsageError
from tasks.training.tracking import check, store


def mlflow(recipe: Path | None, port: int) -> None:
    """Serve it on the loopback address until interrupted. UsageError where there is nothing to serve."""
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
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--default-artifact-root", str(home.mlflow / "artifacts")]
    surroundings = {**os.environ, "MLFLOW_BACKEND_STORE_URI": uri}  # its password is nothing for a list of processes
    if code := subprocess.call(command, env=surroundings, stdin=subprocess.DEVNULL):
        raise PonensError(
            "MLflow's server ended", seen=f"exit code {code}", hint="is the port free? choose another --port"
        )
