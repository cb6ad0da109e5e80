"""`ponens dev`: four servers come up together and go together."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.flows.conftest import ROOT, environment

pytestmark = [pytest.mark.prefect, pytest.mark.process, pytest.mark.heavy]


def ports(count: int) -> list[int]:
    doors = [socket.socket() for _ in range(count)]
    for door in doors:
        door.bind(("127.0.0.1", 0))
    found = [int(door.getsockname()[1]) for door in doors]
    for door in doors:
        door.close()
    return found


def of_group(word: str) -> list[str]:
    """The processes whose environment has this word."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if word.encode() in (entry / "environ").read_bytes():
                found.append(f"{entry.name} {(entry / 'cmdline').read_bytes().decode(errors='replace')}")
        except OSError:
            continue
    return found


def test_all_four_answer_and_none_outlives_ctrl_c(tmp_path: Path) -> None:
    first, second = ports(2)
    home = tmp_path / "home"
    env = environment(PONENS_HOME=str(home), PREFECT_HOME=str(tmp_path / "prefect"))
    with (tmp_path / "said").open("wb") as said:
        dev = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "dev", "--port", str(first), "--mlflow-port", str(second)],
            cwd=ROOT,
            env=env,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    end = time.monotonic() + 400
    while b"Prefect:" not in (tmp_path / "said").read_bytes():
        assert dev.poll() is None and time.monotonic() < end, (tmp_path / "said").read_text()
        time.sleep(0.5)
    for url in (f"http://127.0.0.1:{first}/api/health", f"http://127.0.0.1:{second}/health"):
        with urllib.request.urlopen(url, timeout=30) as reply:
            assert 200 == reply.status
    view = next(line for line in (tmp_path / "said").read_text().splitlines() if line.startswith("runs:")).split()[1]
    with urllib.request.urlopen(view, timeout=30) as reply:
        assert b"no run yet" in reply.read()
    pool = f"http://127.0.0.1:{first}/api/work_pools/local-process/workers/filter"
    asked = urllib.request.Request(pool, data=b"{}", headers={"Content-Type": "application/json"})
    while time.monotonic() < end:
        with urllib.request.urlopen(asked, timeout=30) as reply:
            if b"ponens-dev" in reply.read():
                break
        time.sleep(0.5)
    else:
        pytest.fail("the worker never reported to the server")

    os.kill(dev.pid, signal.SIGINT)
    code = dev.wait(90)

    assert 130 == code, (tmp_path / "said").read_text()
    assert [] == of_group(f"PONENS_HOME={home}")
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{first}/api/health", timeout=5)


def test_if_one_ends_it_is_named_and_the_others_end_too(tmp_path: Path) -> None:
    """A folder that MLflow cannot write to: its server ends while Prefect's starts."""
    home = tmp_path / "home"
    (home / "mlflow").mkdir(parents=True)
    (home / "mlflow" / "mlflow.db").mkdir()
    env = environment(PONENS_HOME=str(home), PREFECT_HOME=str(tmp_path / "prefect"))
    first, second = ports(2)
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "dev", "--port", str(first), "--mlflow-port", str(second)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=400,
    )

    assert 1 == done.returncode, done.stderr
    assert "MLflow has ended, so all are stopped" in done.stderr
    assert [] == of_group(f"PONENS_HOME={home}")
