"""A Lean that is a script: what it is given, how it fails, and that it ends with its parent."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evals.scorers.statement import StatementScorer, signature
from storage.dialogues import Dialogue
from storage.records import Message, UsageError
from tasks.sandbox.lean import Lean

pytestmark = pytest.mark.process
LEAN = """#!{python} -IS
import os, pathlib, sys, time
text = pathlib.Path(sys.argv[-1]).read_text()
if "hang" in text:
    time.sleep(600)
if "burn" in text:
    while True: pass
if "write" in text:
    pathlib.Path("{folder}/written").write_text("x" * 100)
if "secret" in text:
    print(sorted(os.environ)); sys.exit(1)
if "unknown" in text:
    print(sys.argv[-1] + ":1:1: error: unknown identifier"); sys.exit(1)
print("warning: declaration uses sorry")
"""


@pytest.fixture
def lean(tmp_path: Path) -> Lean:
    script = tmp_path / "lean"
    script.write_text(LEAN.format(python=sys.executable, folder=tmp_path))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return Lean((str(script),), seconds=20)


def test_a_statement_is_checked_with_its_proof_left_open(lean: Lean) -> None:
    assert lean("import Mathlib", "theorem a (x : ℕ) : x = x := by unknown").elaborates
    refused = lean("import Mathlib", "theorem a : unknown :=")

    assert not refused.elaborates
    assert "Statement.lean:1:1: error: unknown identifier" == refused.said


@pytest.mark.parametrize(
    "statement",
    [
        "#eval IO.FS.writeFile \"x\" \"y\"",
        "theorem a : (by exact True) :=",
        "theorem a : True\ntheorem b : True :=",
        "theorem a : True\nrun_cmd x",
        "@[simp] theorem a : True :=",
        "import Lean\ntheorem a : True :=",
        "def x : Nat := 3",
        "hello",
        "",
    ],
)  # fmt: skip
def test_more_than_a_statement_is_not_run(statement: str, lean: Lean) -> None:
    assert not lean("", statement).elaborates


def test_what_follows_a_statement_is_cut_off(lean: Lean) -> None:
    assert lean("", "theorem a : True := trivial\n#eval unknown").elaborates


def test_limits_hold(lean: Lean, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_API_KEY", "sk-secret")

    assert not Lean(lean.command, seconds=1)("", "theorem a : burn").elaborates
    assert "no answer within" in Lean(lean.command, seconds=1)("", "theorem a : hang").said
    assert not lean("", "theorem a : write").elaborates
    assert b"" == (tmp_path / "written").read_bytes()
    assert "TEACHER_API_KEY" not in lean("", "theorem a : secret").said


def test_without_lean_the_setting_is_refused() -> None:
    with pytest.raises(UsageError, match="lake"):
        Lean(("no-such-lake", "env", "lean"))


def test_a_statement_that_does_not_elaborate_is_invalid(lean: Lean) -> None:
    gold = Dialogue((Message("user", "u"), Message("assistant", "theorem a : good :=")), "statement")
    scorer = StatementScorer(lean)

    assert ("invalid", 0.0) == (scorer.score("theorem a : unknown :=", gold).outcome, scorer.score("theorem a : unknown :=", gold).value)  # fmt: skip
    assert 1.0 == scorer.score("theorem a : other :=", gold).measures["elaborates"]


def test_a_signature_ends_before_its_proof() -> None:
    assert "lemma a (x : ℕ := 3) : x = x" == signature("/- c -/ lemma a (x : ℕ := 3) : x = x := by simp")


_PARENT = """
import sys
from tasks.sandbox.lean import Lean
print("begun", flush=True)
Lean((sys.argv[1],), seconds=300)("", "theorem a : hang")
"""


def test_a_parent_that_is_killed_takes_lean_along(lean: Lean) -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT, lean.command[0]], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        running: set[int] = set()
        for _ in range(600):
            if running := _running(lean.command[0]) - {parent.pid}:
                break
            time.sleep(0.1)
        assert running
        parent.kill()

    for _ in range(600):
        if not _running(lean.command[0]):
            break
        time.sleep(0.1)
    assert not _running(lean.command[0])


def _running(script: str) -> set[int]:
    """Processes that run the script, by their command lines."""
    found = set()
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if script.encode() in words:
            found.add(int(entry))
    return found
