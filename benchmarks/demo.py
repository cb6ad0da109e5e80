"""The demo's figures: `ponens run recipes/demo.toml` for some seeds, and the ablation on bare answers.

    make bench NAME=demo
    python benchmarks/demo.py --seeds 1 2 3 --home FOLDER     # finished runs are found done

Prints one row of a Markdown table a run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
HEAD = (
    "run", "questions", "base, letter forced", "base, free greedy", "base, vote", "adapter, greedy", "adapter, single",
    "adapter, vote", "worst family", "worst language", "train s", "evaluate s", "whole s",
)  # fmt: skip


def run(home: Path, *changes: str) -> dict[str, Any]:
    """The summary of one run."""
    given = [word for change in changes for word in ("--set", change)]
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "run", str(ROOT / "recipes" / "demo.toml"), "--json", *given],
        env={**os.environ, "PONENS_HOME": str(home), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def row(name: str, summary: dict[str, Any]) -> str:
    found = summary["evaluation"]
    base, adapter = found["base"], found["adapter"]
    took = {step["name"]: step["seconds"] for step in summary["steps"]}
    worst = {
        by: min((part["adapter"], part["name"]) for part in found["slices"] if part["by"] == by)
        for by in ("family", "language")
    }
    cells = [
        name,
        str(found["questions"]),
        *(f"{value:.3f}" for value in (base["forced_accuracy"], base["greedy_accuracy"], base["accuracy"])),
        *(f"{value:.3f}" for value in (adapter["greedy_accuracy"], adapter["single_accuracy"], adapter["accuracy"])),
        *(f"{share:.3f} {part}" for share, part in worst.values()),
        *(f"{value:.0f}" for value in (took["train"], took["evaluate"], sum(took.values()))),
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--home", type=Path, default=None, help="where the runs' files go; a new folder by default")
    given = parser.parse_args()
    home = given.home or Path(tempfile.mkdtemp(prefix="ponens-demo-"))
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for seed in given.seeds:
        changes = (f"puzzles.seed={seed}", f"train.seed={seed}", f"evaluate.seed={seed}")
        print(row(f"seed {seed}", run(home, *changes)), flush=True)
    print(row("bare answers, seed 1", run(home, "assemble.bare=true")), flush=True)


if __name__ == "__main__":
    main()
