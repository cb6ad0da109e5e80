"""Heavy work in a process of its own: started, heard, and never left behind.

    run([sys.executable, "-m", "tasks.train.trainer_main", "spec.json"], log=..., hear=...)

A line on the child's standard output that starts with MARK is a message (one JSON object) and goes to
`hear`; whatever else it prints goes to the log. The child's standard input is a lifeline: the parent
writes nothing and holds it open, so it ends when the parent dies, however it dies, and the child, which
watches it (`tasks.runtime.worker`), ends too. A signal on the parent's death would be no substitute: it is sent when
the parent's *thread* ends, and a flow's threads come and go.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

import tasks
from storage.devices import NONE, Held
from storage.records import PonensError
from tasks.runtime.worker import MARK

_MEMORY = ("out of memory", "OutOfMemoryError", "MemoryError", "can't allocate memory", "DefaultCPUAllocator")
_KILLED = "died with <Signals.SIGKILL"
_DISK = ("No space left on device", "Disk quota exceeded")
_TAIL = 12


def run(
    command: Sequence[str],
    *,
    log: Path,
    hear: Callable[[dict[str, Any]], None],
    what: str,
    relief: str = "free some memory",
    environment: Mapping[str, str] | None = None,
    devices: Held = NONE,
) -> None:
    """Run `command` to its end. PonensError if it fails; whatever happens, nothing of it is left running.

    A message {"error": …} of the child becomes the PonensError; without one, the end of its log speaks.
    `relief` says what to do where memory did not suffice. `devices` are free again only when the child is gone too.
    """
    error: dict[str, Any] | None = None
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        start = sink.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sink,
            env=surroundings({**(environment or {}), **devices.environment}),
            pass_fds=devices.files,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            for message in _messages(process.stdout, sink):
                if "error" in message:
                    error = message["error"]
                else:
                    hear(message)
            code = process.wait()
        finally:
            _end(process)
    if code != 0:
        raise _failure(what, code, error, log, start, relief)


def surroundings(more: Mapping[str, str]) -> dict[str, str]:
    """The child's environment: the rooms importable however the house is installed, nothing sent home."""
    house = str(Path(str(tasks.__file__)).resolve().parents[1])
    path = [house, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    quiet = {
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # threads that spin while they wait make shared cores many times slower
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    return {**quiet, **os.environ, **more, "PYTHONPATH": os.pathsep.join(path)}


def _messages(stream: Iterable[bytes], sink: Any) -> Iterable[dict[str, Any]]:
    for line in stream:
        if line.startswith(MARK.encode()):
            yield orjson.loads(line[len(MARK) :])
        else:
            sink.write(line)
            sink.flush()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close the lifeline and kill the whole group; the child's launcher may have started others."""
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _failure(what: str, code: int, error: dict[str, Any] | None, log: Path, start: int, relief: str) -> PonensError:
    """What to raise; of the log, what earlier tries left before `start` is not looked at."""
    if error:
        return PonensError(
            error["thing"], seen=error["seen"], expected=error["expected"], hint=f"{error['hint']} (log: {log})".strip()
        )
    printed = log.read_bytes()[start:].decode("utf-8", errors="replace")
    lines = [line.rstrip() for line in printed.splitlines() if line.strip()]
    text = "\n".join(lines[-200:])
    tail = "\n            ".join(_own(lines)[-_TAIL:]) or "nothing printed"
    if any(word in text for word in _MEMORY):
        thing, hint = f"{what} ran out of memory", relief
    elif _KILLED in text or code == -signal.SIGKILL:
        thing, hint = f"{what} was killed", f"run the same command to go on; if memory was short, {relief}"
    elif any(word in text for word in _DISK):
        thing, hint = f"{what} found the disk full", "free some space and run the same command: it goes on"
    else:
        thing, hint = f"{what} failed", "read the whole log; run the same command to go on from where it stopped"
    return PonensError(
        thing, seen=f"exit code {code}; the log ends:\n            {tail}", hint=f"{hint}\n  log:      {log}"
    )


def _own(lines: list[str]) -> list[str]:
    """The lines without the launcher's own traceback, which only says that the child failed."""
    starts = [index for index, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if starts and any("CalledProcessError" in line for line in lines[starts[-1] :]):
        return lines[: starts[-1]]
    return lines
