"""A Prefect server whose database is a real PostgreSQL, as docs/scale.md sets it up."""

import getpass
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.conftest import _await, environment

pytestmark = [
    pytest.mark.prefect,
    pytest.mark.process,
    pytest.mark.skipif(not (shutil.which("pg_ctl") and shutil.which("psql")), reason="no PostgreSQL is installed"),
]
FLOW = """
from prefect import flow, task

@task
def one(n): return n + 1

@flow
def hello(): return one(1)

hello()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty database. PostgreSQL does not run as root: then the user postgres runs it."""
    root = os.geteuid() == 0
    # a short path in a folder open to all: a socket's is 107 characters at most, and pytest's folders are one user's
    folder = Path("/tmp") / f"pg-{os.getpid()}"
    folder.mkdir()
    if root:
        shutil.chown(folder, "postgres")
    user, port = "postgres" if root else getpass.getuser(), free_port()

    def pg(*words: str) -> None:
        words = ("runuser", "-u", "postgres", "--", *words) if root else words
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd=folder)

    try:
        pg("initdb", "-D", f"{folder}/data", "-A", "trust", "-U", user, "--no-sync")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        pg("pg_ctl", "-D", f"{folder}/data", "-o", options, "-l", f"{folder}/log", "-w", "start")
        pg("createdb", "-h", str(folder), "-p", str(port), "-U", user, "prefect")
        yield f"{user}@127.0.0.1:{port}/prefect"
    finally:
        subprocess.run(
            [*(("runuser", "-u", "postgres", "--") if root else ()), "pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop"],
            stdout=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)


def test_a_flow_run_is_kept_in_postgresql(database: str, tmp_path: Path) -> None:
    port = free_port()
    env = environment(
        PREFECT_HOME=str(tmp_path),
        PREFECT_API_URL=f"http://127.0.0.1:{port}/api",
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
    )
    # the name that docs/scale.md gives; the older PREFECT_API_DATABASE_CONNECTION_URL works as well
    address = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": f"postgresql+asyncpg://{database}"}
    (file := tmp_path / "hello.py").write_text(FLOW)
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            env=env | address, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        _await(f"{env['PREFECT_API_URL']}/health", server, 300)
        subprocess.run([sys.executable, str(file)], env=env, check=True, capture_output=True)
    finally:
        server.terminate()
        server.wait(30)

    kept = "select r.state_type, count(t.id) from flow_run r join task_run t on t.flow_run_id = r.id group by 1"
    found = subprocess.run(["psql", f"postgresql://{database}", "-Atc", kept], capture_output=True, text=True)
    assert "COMPLETED|1\n" == found.stdout
