"""What a command starts ends with it, by whatever signal; stand-ins that sleep take the place of the real servers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flows.conftest import ROOT, environment

pytestmark = pytest.mark.process
SLEEPER = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
with open(os.environ["PIDS"], "w") as file:
    file.write(f"{os.getpid()} {child.pid}\\n")
time.sleep(60)
"""
COMMANDS = {
    "a run's own Prefect server": ("uvicorn", "import time; from flows.server import _tethered; s = _tethered(); s.port = 9; p = s._run_uvicorn_command(); time.sleep(60)"),
    "ponens mlflow": ("mlflow", "import os; from flows.cli.mlflow_ui import _tethered; _tethered(['mlflow'], os.environ)"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("a run's own Prefect server", signal.SIGKILL),
        ("a run's own Prefect server", signal.SIGTERM),
        ("ponens mlflow", signal.SIGTERM),
        ("ponens mlflow", signal.SIGKILL),
    ],
)
def test_nothing_outlives_it(tmp_path: Path, name: str, number: signal.Signals) -> None:
    module, code = COMMANDS[name]
    (tmp_path / f"{module}.py").write_text(SLEEPER)
    pids = tmp_path / "pids"
    env = environment(PIDS=str(pids), PREFECT_HOME=str(tmp_path), PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=env, stderr=subprocess.DEVNULL)
    _until(lambda: pids.exists() and pids.read_text().endswith("\n"), 120)
    process.send_signal(number)
    process.wait(30)

    _until(lambda: not any(map(_alive, pids.read_text().split())), 30)


def _alive(pid: str) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
