import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from storage.records import PonensError
from tasks.runtime import process

SAY = "from tasks.runtime import worker as l\n"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def run(code: str, folder: Path, what: str = "training") -> list[dict[str, Any]]:
    heard: list[dict[str, Any]] = []
    process.run(python(code), log=folder / "child.log", hear=heard.append, what=what)
    return heard


def gone(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def wait_until(true: Any, seconds: float = 30) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.05)
    return False


def test_messages_are_heard_in_order_and_other_output_goes_to_the_log(tmp_path: Path) -> None:
    heard = run(f"{SAY}l.say({{'step': 1}})\nprint('chatter')\nl.say({{'step': 2}})", tmp_path)

    assert heard == [{"step": 1}, {"step": 2}]
    assert (tmp_path / "child.log").read_text() == "chatter\n"


def test_a_child_that_confesses_fails_with_its_own_words(tmp_path: Path) -> None:
    code = (
        f"{SAY}from storage.records import PonensError\n"
        "l.confess(PonensError('row r7 has no token to learn', seen=3, hint='drop it'))\nraise SystemExit(1)"
    )
    with pytest.raises(PonensError, match="row r7 has no token to learn") as caught:
        run(code, tmp_path)

    assert caught.value.seen == 3
    assert str(tmp_path / "child.log") in str(caught.value)


def test_a_crash_shows_the_end_of_the_log_and_where_it_is(tmp_path: Path) -> None:
    with pytest.raises(PonensError, match="training failed") as caught:
        run("print('before')\nraise ValueError('the very reason')", tmp_path)

    assert "ValueError: the very reason" in str(caught.value)
    assert str(tmp_path / "child.log") in str(caught.value)


@pytest.mark.parametrize(
    "code",
    ["raise MemoryError", "print('torch.OutOfMemoryError: CUDA out of memory.'); raise SystemExit(1)"],
)
def test_lack_of_memory_is_named(tmp_path: Path, code: str) -> None:
    with pytest.raises(PonensError, match="ran out of memory"):
        run(code, tmp_path)


def test_of_a_child_that_is_killed_it_is_said_that_memory_may_have_been_short(tmp_path: Path) -> None:
    with pytest.raises(PonensError, match="training was killed") as caught:
        run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", tmp_path)

    assert "if memory was short" in caught.value.hint


def test_what_an_earlier_try_died_of_is_not_told_of_this_one(tmp_path: Path) -> None:
    with pytest.raises(PonensError, match="ran out of memory"):
        run("raise MemoryError", tmp_path)
    with pytest.raises(PonensError, match="training failed"):
        run("raise KeyError", tmp_path)


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    with pytest.raises(PonensError, match="disk full"):
        run("raise OSError(28, 'No space left on device')", tmp_path)


def test_the_launchers_own_traceback_does_not_hide_the_reason(tmp_path: Path) -> None:
    code = (
        "import sys, subprocess\nsubprocess.run([sys.executable, '-c', \"raise KeyError('inner reason')\"], check=True)"
    )
    with pytest.raises(PonensError) as caught:
        run(code, tmp_path)

    assert "inner reason" in str(caught.value)
    assert "CalledProcessError" not in str(caught.value)


def test_an_exception_while_hearing_kills_the_whole_group(tmp_path: Path) -> None:
    code = (
        f"{SAY}import subprocess, sys, time\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "l.say({'pid': p.pid})\ntime.sleep(600)"
    )
    pids = []

    def hear(message: dict[str, Any]) -> None:
        pids.append(message["pid"])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process.run(python(code), log=tmp_path / "log", hear=hear, what="training")

    assert wait_until(lambda: gone(pids[0]))


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    inner = (
        f"{SAY}import os, pathlib, time\nl.watch()\n"
        f"pathlib.Path({str(note)!r}).write_text(str(os.getpid()))\ntime.sleep(600)"
    )
    outer = (
        "import sys, pathlib\nfrom tasks.runtime import process as child\n"
        f"child.run([sys.executable, '-c', {inner!r}], log=pathlib.Path({str(tmp_path / 'log')!r}), hear=print, what='x')"
    )
    parent = subprocess.Popen(python(outer), env=process.surroundings({}))
    assert wait_until(lambda: note.exists() and note.read_text() != "")
    pid = int(note.read_text())
    assert not gone(pid)

    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()

    assert wait_until(lambda: gone(pid))
