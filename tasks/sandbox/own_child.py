"""The child's side of `tasks.sandbox.own`: loads a user's function, then answers a JSON line with a JSON line.

The file is a user's own and runs with a user's rights, but with limits on memory, processor time and files, without
the environment and its keys, and with nothing of what it prints among the answers. The end of the parent ends it.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks.sandbox.child import confine, grant

_ARGUMENTS = 3  # reply, reference, row
_LOADING = 60  # seconds of a processor for the file and what it imports
_LONGEST = 300  # characters of what was raised


def main() -> None:
    """Say whether the function is there, then answer what standard input asks until it ends."""
    limits = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), name="lifeline", daemon=True).start()
    grant(_LOADING)
    found = _loaded(Path(limits["file"]), limits["function"])
    confine(limits["memory"])
    _say(answers, found if isinstance(found, dict) else {"ready": True})
    if isinstance(found, dict):
        return
    while True:
        order = json.loads(lines.get())
        grant(limits["seconds"])
        _say(answers, _called(found, order))


def _say(answers: Any, reply: dict[str, Any]) -> None:
    answers.write(json.dumps(reply).encode() + b"\n")


def _listen(lines: queue.SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        lines.put(line)
    os._exit(0)


def _loaded(file: Path, function: str) -> Callable[..., Any] | dict[str, Any]:
    """The function, or why there is none."""
    try:
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[file.stem] = module
        spec.loader.exec_module(module)
    except BaseException as error:  # also SystemExit
        return {"wrong": f"{file.name} cannot be loaded: {_failure(error)}"}
    found = getattr(module, function, None)
    if not callable(found):
        names = [name for name, value in vars(module).items() if inspect.isfunction(value) and not name.startswith("_")]
        return {"wrong": f"{file.name} has no function {function!r}, only {', '.join(names) or 'none'}"}
    try:
        inspect.signature(found).bind(*[None] * _ARGUMENTS)
    except TypeError as error:
        return {"wrong": f"{function}{inspect.signature(found)} does not take (reply, reference, row): {error}"}
    except ValueError:  # a builtin without a signature
        pass
    loaded: Callable[..., Any] = found
    return loaded


def _called(function: Callable[..., Any], order: list[Any]) -> dict[str, Any]:
    try:
        given = function(*order)
        if isinstance(given, dict):
            return {"given": {str(name): _plain(value) for name, value in given.items()}}
        plain = _plain(given)
        return {"given": f"<{plain['type']}>" if isinstance(plain, dict) else plain}
    except MemoryError:
        return {"failed": "error", "reason": "it took more memory than a scorer may"}
    except BaseException as error:  # also SystemExit: one reply costs no other
        return {"failed": "error", "reason": _failure(error)}


def _plain(value: Any) -> Any:
    """The value if JSON has it, a number of another library as one of ours, of anything else the name of its type."""
    if value is None or isinstance(value, bool | int | float | str):
        return value if not isinstance(value, float) or (value == value and abs(value) != float("inf")) else repr(value)
    if hasattr(value, "item"):
        return _plain(value.item())
    return {"type": type(value).__name__}


def _failure(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    words = " ".join(str(error).split())[:_LONGEST]
    return f"{type(error).__name__}{f': {words}' if words else ''}{place}"


if __name__ == "__main__":
    main()
