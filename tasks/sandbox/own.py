"""A user's scorer in a process of its own, which is replaced when it goes astray.

own = Own(Function.of("/…/my_scorers.py:equal_units"))
own("5 m", "500 cm", {"question": …})      what the function gave back
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tasks
from evals.scorers.own import OwnScorer, Run
from storage.records import UsageError
from tasks.runtime.own_function import Function

_CHUNK = 1 << 16
_MOST = 1 << 20  # bytes of an answer
_LOADING = 180.0  # seconds on the wall for the file and what it imports
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "VIRTUAL_ENV")


def own(function: Function, stack: contextlib.ExitStack) -> OwnScorer:
    """A scorer by this function, its process ended with the stack. UsageError if the function cannot be used."""
    call = Own(function).ready()
    stack.callback(call.close)
    return OwnScorer(f"{function.file.name}:{function.name}", call)


class Own:
    """Calls the function; for one thread. UsageError if it cannot be loaded or does not take what it is given."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self._process: subprocess.Popen[bytes] | None = None
        self._read = b""

    def __call__(self, reply: str, reference: str, row: Mapping[str, Any]) -> Any:
        """What the function gave back. `Run` says how it ended where it gave back nothing."""
        child = self._child()
        try:
            assert child.stdin is not None
            child.stdin.write(json.dumps([reply, reference, row], default=str).encode() + b"\n")
            child.stdin.flush()
            answer = json.loads(self._line(child, self.function.patience))
        except (BrokenPipeError, EOFError):
            raise self._ended(child) from None
        if "failed" in answer:
            raise Run(answer["failed"], answer["reason"])
        return answer["given"]

    def ready(self) -> Own:
        """Itself, its function loaded. UsageError if that cannot be."""
        self._child()
        return self

    def close(self) -> None:
        """End the child."""
        if self._process is None:
            return
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process, self._read = None, b""

    def _child(self) -> subprocess.Popen[bytes]:
        if self._process is not None:
            return self._process
        one, house = self.function, str(Path(str(tasks.__file__)).resolve().parents[1])
        limits = {"file": str(one.file), "function": one.name, "seconds": one.seconds, "memory": one.memory}
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tasks.sandbox.own_child", json.dumps(limits)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=one.file.parent,
            env={**kept, "PYTHONPATH": house, "PYTHONDONTWRITEBYTECODE": "1", "TZ": "UTC", "MALLOC_ARENA_MAX": "1"},
            start_new_session=True,
        )
        try:
            ready = json.loads(self._line(self._process, _LOADING))
        except EOFError:
            ready = {"wrong": f"{one.file.name} cannot be loaded: {self._ended(self._process).reason}"}
        if "wrong" in ready:
            self.close()
            raise UsageError(
                f"[evaluate] scorer {one.file}:{one.name} cannot be used",
                seen=ready["wrong"],
                expected=f"def {one.name}(reply, reference, row), which gives back a score from 0 to 1",
            )
        return self._process

    def _line(self, child: subprocess.Popen[bytes], patience: float) -> bytes:
        """The next line; EOFError if there will be none, or none within so many seconds."""
        assert child.stdout is not None
        until = time.monotonic() + patience
        while b"\n" not in self._read:
            ready, _, _ = select.select([child.stdout], [], [], max(0.0, until - time.monotonic()))
            chunk = os.read(child.stdout.fileno(), _CHUNK) if ready else b""
            if not chunk or len(self._read) > _MOST:
                raise EOFError
            self._read += chunk
        line, _, self._read = self._read.partition(b"\n")
        return line

    def _ended(self, child: subprocess.Popen[bytes]) -> Run:
        """Why there is no answer; the next call gets another process."""
        code = child.poll()
        if code is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = child.wait(timeout=1)
        self.close()
        if code == -signal.SIGXCPU:
            return Run("error", f"it took over {self.function.seconds} s of processor time and was ended")
        if code is None:
            return Run("error", f"it gave no answer within {self.function.patience:.0f} s and was ended")
        return Run("error", f"its process ended with code {code}")
