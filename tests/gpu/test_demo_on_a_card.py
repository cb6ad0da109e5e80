"""The demo with everything on the card: its adapter is better, by vLLM, in minutes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.gpu, pytest.mark.heavy, pytest.mark.vllm, pytest.mark.prefect, pytest.mark.timeout(1800)]


def test_the_demo_trains_and_answers_on_the_card_and_its_adapter_is_better(device: str, tmp_path: Path) -> None:
    if device == "cpu":
        pytest.skip("on a CPU it is `make demo`")
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "run", "recipes/demo.toml", "--json"],
        cwd=ROOT,
        env={**os.environ, "PONENS_HOME": str(tmp_path / "home"), "PREFECT_HOME": str(tmp_path / "prefect")},
        capture_output=True,
        text=True,
        timeout=1700,
    )
    assert 0 == done.returncode, done.stderr[-4000:]
    found = json.loads(done.stdout)
    about = json.loads((tmp_path / "home" / "adapters" / found["adapter"] / "adapter.json").read_text())

    assert "cuda" == about["facts"]["device"].partition(":")[0]
    assert ("vllm", "cuda") == (
        found["evaluation"]["engine"],
        found["evaluation"]["work"]["engine"]["device"],
    )
    assert "better" == found["evaluation"]["paired"]["verdict"]
