"""`ponens dev`: Prefect's server, a worker, MLflow's page and ours together, on the loopback address of this machine.

    server ──answers──▶ ponens deploy ──▶ worker          pages beside them; what each prints goes to the logs

They begin and end together. None outlives this process, however it dies: their standard input is their lifeline.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.show import stderr
from storage.browse import address
from storage.home import Home
from storage.records import PonensError
from tasks.clients import proxies
from tasks.runtime import worker as lifeline

HOST = "127.0.0.1"
_ROOT = Path(__file__).resolve().parents[2]
_DEMO = _ROOT / "recipes" / "demo.toml"
_START_S = 180.0
_LOOK_S = 0.3
_GRACE_S = 10.0
_TAIL = 12


@dataclass(frozen=True)
class Service:
    """One process of them, in a group of its own."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """PonensError, with the end of its log, if it has ended."""
        if (code := self.process.poll()) is not None:
            raise PonensError(
                f"{self.name} has ended, so all are stopped", seen=_last_words(code, self.log), hint=f"read {self.log}"
            )

    def stop(self) -> None:
        """Ask it to end, then end its whole group, of which nothing is left when this returns."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_GRACE_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def dev(
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="The recipe in whose home runs work; that of the demo by default.")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Prefect's port; another if it is taken.")] = 4200,
    mlflow_port: Annotated[int, typer.Option(min=1, max=65535, help="MLflow's port; another if it is taken.")] = 5000,
) -> None:
    """Start Prefect's server, a worker, MLflow and `ponens view` together; Ctrl-C stops them together."""
    from tasks.train import tracking

    home, port, mlflow_port, view_port = Home.beside(recipe or _DEMO), *map(_free, (port, mlflow_port, address.PORT))
    url, tracker, view = (f"http://{HOST}:{number}" for number in (port, mlflow_port, view_port))
    surroundings = _surroundings(home, url, tracker) | {address.VARIABLE: view}
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs are born deaf to the first
        signal.signal(number, _interrupt)
    running: list[Service] = []
    try:
        stderr.print("starting Prefect's server, a worker, MLflow and ponens view …")
        server = ["prefect", "server", "start", "--host", HOST, "--port", str(port)]
        running.append(_start("server", server, surroundings, home))
        store, artifacts = tracking.store(home), home.mlflow / "artifacts"
        home.mlflow.mkdir(parents=True, exist_ok=True)
        page = ["mlflow", "server", "--host", HOST, "--port", str(mlflow_port), "--workers", "1"]
        page += ["--default-artifact-root", str(artifacts)]
        running.append(_start("MLflow", page, {**os.environ, "MLFLOW_BACKEND_STORE_URI": store}, home))
        running.append(_start("view", ["flows.cli", "view", "--port", str(view_port)], surroundings, home))
        _await(f"{url}/api/health", running)
        _deploy(surroundings, home)
        worker = ["prefect", "worker", "start", "--pool", "local-process", "--name", "ponens-dev"]
        running.insert(0, _start("worker", worker, surroundings, home))  # the first to end: it says goodbye
        for answering in (f"{tracker}/health", f"{view}/static/view.css"):
            _await(answering, running)
        places = f"Prefect: [bold]{url}[/]\nMLflow:  [bold]{tracker}[/]\nruns:    [bold]{view}[/]\nlogs:    {home.logs}"
        stderr.print(places, soft_wrap=True)
        stderr.print(
            f"[dim]in other shells:[/] export PREFECT_API_URL={url}/api MLFLOW_TRACKING_URI={tracker}", soft_wrap=True
        )
        while True:
            for service in running:
                service.check()
            time.sleep(_LOOK_S)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave something behind
        stderr.print("stopping …")
        for service in running:
            service.stop()


def _surroundings(home: Home, url: str, tracker: str) -> dict[str, str]:
    told = {
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_UI_API_URL": f"{url}/api",  # else the page looks for the server at port 4200
        "MLFLOW_TRACKING_URI": tracker,
        "PONENS_HOME": str(home.root),
    }
    return {"PREFECT_WORKER_QUERY_SECONDS": "2", **os.environ, **told}


def _start(name: str, words: Sequence[str], environment: Mapping[str, str], home: Home) -> Service:
    log = home.logs / f"dev-{name.lower()}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", lifeline.__name__, *words],
            cwd=_ROOT,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Service(name, process, log)


def _deploy(environment: Mapping[str, str], home: Home) -> None:
    log = home.logs / "dev-deploy.log"
    with log.open("wb") as sink:
        command = [sys.executable, "-m", "flows.cli", "deploy"]
        done = subprocess.run(
            command, cwd=_ROOT, env=dict(environment), stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT
        )
    if done.returncode:
        raise PonensError("`ponens deploy` failed", seen=_last_words(done.returncode, log))


def _await(url: str, running: Sequence[Service]) -> None:
    import urllib.error

    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        for service in running:
            service.check()
        with contextlib.suppress(urllib.error.URLError, OSError), proxies.opener(url).open(url, timeout=5):
            return
        time.sleep(_LOOK_S)
    raise PonensError(f"nothing answers at {url}", seen=f"{_START_S:.0f} s of waiting")


def _free(port: int) -> int:
    """This port, or one that is free if it is taken."""
    with socket.socket() as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((HOST, port))
        except OSError:
            door.bind((HOST, 0))
        return int(door.getsockname()[1])


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _last_words(code: int, log: Path) -> str:
    lines = [line.rstrip() for line in log.read_text("utf-8", errors="replace").splitlines() if line.strip()]
    tail = "\n            ".join(lines[-_TAIL:]) or "nothing printed"
    return f"exit code {code}; the log ends:\n            {tail}"
