"""GPUs are held by one process each, over homes: who waits says for whom, and a killed holder's are free at once."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage.devices import held, visible
from storage.home import Home
from storage.named_locks import holding
from storage.records import PonensError
from tests.cards import pretend

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import subprocess, sys
from storage.devices import held
with held(1, "train of logic, run 1", print) as mine:
    child = subprocess.Popen(["sleep", sys.argv[1]], pass_fds=mine.files)
    print(mine.environment["CUDA_VISIBLE_DEVICES"], child.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two GPUs, and a user of it."""
    pretend(2, tmp_path, monkeypatch)


def start(seconds: int = 600) -> tuple[subprocess.Popen[str], int]:
    """A process that holds a GPU, and the child that it gave it to."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(seconds)], cwd=ROOT, stdin=-1, stdout=-1, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline().split()[1])


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        (None, ["GPU-0000-00", "GPU-1111-00"]),
        ("1", ["GPU-1111-00"]),
        ("1,0", ["GPU-1111-00", "GPU-0000-00"]),
        ("GPU-11", ["GPU-1111-00"]),
        ("MIG-7/1", ["MIG-7/1"]),
        ("0,7,1", ["GPU-0000-00"]),
        ("-1", []),
        ("", []),
    ],
)
def test_the_environment_says_which_gpus_are_meant(
    listed: str | None, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if listed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)

    assert found == [device.uuid for device in visible()]


def test_each_holder_is_given_another_gpu_and_nobody_part_of_what_he_needs() -> None:
    with held(1, "one") as one, held(1, "another") as another:
        assert ["0", "1"] == [mine.environment["CUDA_VISIBLE_DEVICES"] for mine in (one, another)]
    with held(2, "both") as both:
        assert "0,1" == both.environment["CUDA_VISIBLE_DEVICES"]
    with pytest.raises(PonensError, match="3 GPUs are needed"), held(3, "too many"):
        pass


def test_without_a_gpu_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with held(1, "one") as one, held(1, "another"):
        assert {} == one.environment


def test_who_waits_says_for_whom_and_a_killed_holder_frees_the_gpu_with_its_child(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    process, child = start()
    heard: list[str | None] = []
    killed = []

    def hear(said: str | None) -> None:
        heard.append(said)
        if said and not killed:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed.append(time.monotonic())
            # the child still has the GPU's memory: it is free only when that is
            subprocess.Popen(["sh", "-c", f"sleep 1; kill -9 {child}"])

    with held(1, "evaluate of sql, run 2", hear) as mine:
        waited = time.monotonic() - killed[0]

    assert "1" == mine.environment["CUDA_VISIBLE_DEVICES"]
    assert f"GPU 1 is held by train of logic, run 1 (process {process.pid}, since" in str(heard[0])
    assert heard[-1] is None
    assert waited > 0.9


def test_the_same_step_in_two_runs_is_waited_for_by_name(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    code = (
        "import sys; from pathlib import Path; from storage.home import Home\n"
        "with Home(Path(sys.argv[1])).lock('train-1', 'run 1'): print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(home.root)], cwd=ROOT, stdin=-1, stdout=-1, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    heard: list[str | None] = []

    def hear(said: str | None) -> None:
        heard.append(said)
        process.kill()
        process.wait()

    with home.lock("train-1", "run 2", hear):
        pass

    assert str(heard[0]).startswith(f"run 1 (process {process.pid}, since")
    assert [None] == heard[1:]


def test_a_lock_file_that_was_cleared_away_holds_nobody_off(tmp_path: Path) -> None:
    file = tmp_path / "one.lock"
    with holding(file, "the first"):
        file.unlink()
        with holding(file, "the second"):
            assert b"the second" in file.read_bytes()
