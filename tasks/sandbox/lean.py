"""An installed Lean as the `Checker` of statements: does this statement elaborate, its proof left open?

Lean runs code while it elaborates, and the statements are a model's: what is more than one declaration's statement is
not run, and what runs has limits on processor time, memory and files, an environment without keys, and ends with us.
A theorem's header decides which Lean and mathlib fit: ProofNet's, for one, are Lean 3's.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import tasks
from evals.scorers.statement import Checked, signature
from storage.records import UsageError

_MOST = 1 << 16  # bytes of what Lean says
_KEPT = ("PATH", "HOME", "ELAN_HOME", "LEAN_PATH", "LANG", "LC_ALL")
_DECLARES = re.compile(r"(?:theorem|lemma|example)\b")
_COMMAND = re.compile(
    r"#|@\[|\b(?:by|by_elab|run_tac|run_cmd|eval|elab|elab_rules|macro|macro_rules|syntax|notation|unsafe|initialize"
    r"|axiom|instance|import|set_option|attribute|namespace|section|end|theorem|lemma|def|example|abbrev|opaque)\b"
)


@dataclass(frozen=True, slots=True)
class Lean:
    """`command` is what checks a file, such as ("lake", "env", "lean"); `project` the folder that it runs in."""

    command: Sequence[str]
    project: Path | None = None
    seconds: int = 60
    memory: int = 16 << 30

    def __post_init__(self) -> None:
        if not self.command or shutil.which(self.command[0]) is None:
            raise UsageError(
                "no Lean to check statements with",
                seen=" ".join(self.command) or "no command",
                expected='an installed command, such as "lake env lean"',
                hint="install Lean, or leave [evaluate] lean out",
            )

    def __call__(self, header: str, statement: str) -> Checked:
        stated = signature(statement)
        declares = _DECLARES.match(stated)
        if declares is None:
            return Checked(False, "no theorem, lemma or example")
        if more := _COMMAND.search(stated, declares.end()):
            return Checked(False, f"{more[0]!r} is more than a statement needs: not run")
        with TemporaryDirectory(prefix="lean-") as folder:
            file = Path(folder, "Statement.lean")
            file.write_text(f"{header}\n\n{stated} :=\nsorry\n", "utf-8", errors="replace")
            return self._run(file)

    def _run(self, file: Path) -> Checked:
        house = str(Path(str(tasks.__file__)).resolve().parents[1])
        limits = json.dumps({"seconds": self.seconds, "memory": self.memory})
        process = subprocess.Popen(
            [sys.executable, "-m", "tasks.sandbox.confined", limits, *self.command, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.project or file.parent,
            env={name: os.environ[name] for name in _KEPT if name in os.environ} | {"PYTHONPATH": house},
            start_new_session=True,
        )
        try:
            said, ended = _heard(process, 3 * self.seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
            for stream in (process.stdin, process.stdout):
                if stream:
                    stream.close()
        if not ended:
            return Checked(False, f"no answer within {3 * self.seconds} s")
        text = said.decode("utf-8", "replace").replace(str(file), file.name).strip()
        return Checked(code == 0, text[:300] or f"exit code {code}")


def _heard(process: subprocess.Popen[bytes], patience: float) -> tuple[bytes, bool]:
    """What a process says until it ends, its standard input held open; whether it ended within so many seconds."""
    assert process.stdout is not None
    until, said = time.monotonic() + patience, b""
    while select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
        chunk = os.read(process.stdout.fileno(), _MOST)
        said = (said + chunk)[:_MOST]
        if not chunk:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
            return said, process.returncode is not None
    return said, False
