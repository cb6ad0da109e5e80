"""The tutorial, typed as it stands: only its training and evaluation are cut short."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import SHELL, lines, simple
from tests.flows.conftest import ROOT

pytestmark = [pytest.mark.heavy, pytest.mark.prefect]


def test_the_tutorial_runs_from_a_file_to_an_adapter(prefect: dict[str, str], tmp_path: Path) -> None:
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes", ignore=shutil.ignore_patterns(".ponens"))
    shim = tmp_path / "bin" / "ponens"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m flows.cli "$@"\n')
    shim.chmod(0o755)
    env = {**prefect, "PATH": f"{shim.parent}{os.pathsep}{prefect['PATH']}", "HF_HUB_OFFLINE": "1"}
    typed = [line for line in lines(ROOT / "docs" / "tutorial.md") if not line.why_not]
    for line in typed:
        if line.file:
            (tmp_path / line.file).write_text(line.text, "utf-8")
            continue
        assert {words[0] for words in simple(line.text)} <= {"ponens", *SHELL}, str(line)
        command = " ".join([line.text, *line.added])
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=400
        )

        assert 0 == done.returncode, f"{line}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"

    assert [tmp_path / ".ponens" / "adapters" / "mine" / "1"] == list(
        (tmp_path / ".ponens/adapters/mine").glob("[0-9]*")
    )
