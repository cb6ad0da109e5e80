"""Run a command under limits until it ends or its parent does: `python -m tasks.sandbox.confined LIMITS COMMAND …`.

LIMITS is a JSON object of processor `seconds` and `memory` in bytes. Standard input is the parent's lifeline: when it
ends, the whole process group is killed. No file may grow and no core is written.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading


def main() -> int:
    """The command's exit code; 128 and the signal's number where one ended it."""
    limits = json.loads(sys.argv[1])
    for what, most in (
        (resource.RLIMIT_CPU, limits["seconds"]),
        (resource.RLIMIT_AS, limits["memory"]),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    threading.Thread(target=_watch, name="lifeline", daemon=True).start()
    code = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL, check=False).returncode
    return code if code >= 0 else 128 - code


def _watch() -> None:
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
