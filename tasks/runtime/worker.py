"""The child's side of `tasks.runtime.process`: send messages to the parent, and do not outlive it."""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from storage.records import PonensError

MARK = "@ponens "


def say(message: dict[str, Any]) -> None:
    """One message to the parent, in one write, so that lines of several processes do not mix."""
    sys.stdout.flush()
    os.write(1, f"{MARK}{orjson.dumps(message, default=str).decode()}\n".encode())


def confess(error: PonensError) -> None:
    """Tell the parent why the work cannot be done."""
    say({"error": {"thing": error.thing, "seen": error.seen, "expected": error.expected, "hint": error.hint}})


def work(task: Callable[[Path], None], order: Path) -> int:
    """The exit code of a child that does what the order file says, or tells the parent why it cannot be done."""
    watch()
    say({"say": "loading libraries"})
    try:
        task(order)
    except PonensError as error:
        confess(error)
        return 1
    return 0


def watch(*, group: bool = False) -> None:
    """End this process, or its whole `group`, at once when the parent is gone, that is when standard input ends."""
    threading.Thread(target=_wait, args=(group,), name="lifeline", daemon=True).start()


def lend(module: str, arguments: list[str]) -> None:
    """Run somebody else's program, `python -m MODULE ARGUMENTS…`, that does not outlive its parent."""
    watch(group=True)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _wait(group: bool) -> None:
    while os.read(0, 1024):
        pass
    if group:
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    lend(sys.argv[1], sys.argv[2:])
