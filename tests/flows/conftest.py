"""A real Prefect server for the whole session, and recipes small enough to run whole in a test."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from storage.home import Home
from storage.journal import rows

ROOT = Path(__file__).resolve().parents[2]


def environment(**more: str) -> dict[str, str]:
    """The environment of a user who has installed Ponens, with `more` on top."""
    own = ("PREFECT_", "PONENS_", "MLFLOW_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return {**kept, "PYTHONPATH": str(ROOT), "DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1", **more}


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which a Prefect server answers."""
    folder = tmp_path_factory.mktemp("prefect")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = environment(
        PREFECT_HOME=str(folder),
        PREFECT_LOCAL_STORAGE_PATH=str(folder / "storage"),
        PREFECT_MEMO_STORE_PATH=str(folder / "memo_store.toml"),
        PREFECT_API_URL=f"http://127.0.0.1:{port}/api",
        PREFECT_UI_API_URL=f"http://127.0.0.1:{port}/api",
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
    )
    log = (folder / "server.log").open("wb")
    server = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
        env=env,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        _await(f"{env['PREFECT_API_URL']}/health", server)
        yield env
    finally:
        server.terminate()
        server.wait(30)


def _await(url: str, server: subprocess.Popen[bytes], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise RuntimeError(f"no Prefect server at {url}")


@pytest.fixture(scope="session")
def recipe_text() -> str:
    """The demo in small: every real part, a minute instead of five, and nothing learned to speak of."""
    return """\
name = "small"
[puzzles]
count = 120
[parse]
valid = 0.1
test = 0.2
[reason]
teacher = "embedded"
[train]
base_model = "recipes/demo_base"
report_to = ["none"]
rank = 8
learning_rate = 4e-3
max_steps = 12
batch_size = 8
gradient_accumulation = 1
max_length = 320
save_steps = 4
[evaluate]
votes = 3
max_tokens = 48
limit = 12
"""


def at_work(home: Home, step: str) -> bool:
    """Whether the step has begun; train and evaluate only once there is something to lose."""
    folders = list((home.root / "work").glob(f"{step}-*"))
    if step == "train":
        return any(True for folder in folders for _ in folder.rglob("checkpoint-*/trainer_state.json"))
    if step == "evaluate":
        return any(True for _ in rows(home.root / "samples"))
    if step == "reason":
        return any(True for _ in rows(home.ledger))
    return bool(folders)


class Hook(BaseHTTPRequestHandler):
    """A webhook that answers as it is told to and remembers what it heard."""

    replies: list[int]
    heard: list[tuple[str, dict[str, Any]]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.heard.append((self.headers["Idempotency-Key"], body))
        self.send_response(self.replies.pop(0))
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Tests are told nothing."""


@pytest.fixture
def hook() -> Iterator[tuple[str, type[Hook]]]:
    """The address of one, and what it is told by."""
    handler = type("Hook", (Hook,), {"replies": [], "heard": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/secret-path", handler
    server.shutdown()
    server.server_close()
