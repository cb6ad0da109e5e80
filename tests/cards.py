"""A machine that has GPUs by the word of its nvidia-smi."""

import os
from pathlib import Path

import pytest


def pretend(count: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many GPUs are listed, GPU-0000-00 on, and `folder` is the home of the user whose locks they are."""
    tool = folder / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    listed = "".join(f"GPU {n}: NVIDIA A10 (UUID: GPU-{n}{n}{n}{n}-00)\n" for n in range(count))
    tool.write_text(f"#!/bin/sh\ncat <<END\n{listed}END\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
