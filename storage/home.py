"""A home directory holds everything of Ponens; two homes never mix.

warehouse.duckdb           facts one can query
ledger/*.jsonl             one line a request to a teacher, appended as the reply arrives; index.sqlite finds them
samples/*.jsonl            one line a sampled reply, appended as it finishes
receipts/STEP/KEY.json     what each finished step left behind
artifacts/SHELF/DIGEST/    immutable files named by content, manifest.json last
adapters/NAME/N/           immutable adapter versions; aliases.json beside them says where aliases point
models/NAME/               base models that were imported from GGUF files
mlflow/                    MLflow's runs, metrics and models, unless MLFLOW_TRACKING_URI names another place
work/STEP-KEY/             a step's unfinished files: a killed step goes on from here
lineage/RECIPE/*.jsonl     which snapshot followed which
measures/RECIPE/           what re-evaluations found, *.jsonl, and the page of its trend
fetched/                   sources and snapshots from elsewhere, as they were fetched
reads/                     copies of the warehouse for as long as copying takes
sweeps/NAME-ID/            the table of a sweep
trash-*                    what a removal that was killed has left
logs/                      of the servers' engines, by port
locks/
runs/RUN_ID/              recipe.json, outcome.json, and of a run under way progress.json and log.txt
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from unicodedata import category

from storage.named_locks import Waits, holding, silent
from storage.records import UsageError


def _sound(root: Path) -> Path:
    if odd := [letter for letter in str(root) if letter in "?\\" or category(letter) in ("Cc", "Cs")]:
        raise UsageError(
            "the home cannot lie there",
            seen=f"{str(root)!r} has {odd[0]!r} in it",
            expected="a path without ?, \\ and signs that cannot be printed, for its databases",
            hint="set PONENS_HOME to another folder",
        )
    return root


@dataclass(frozen=True, slots=True)
class Home:
    """Paths below one root. Creating the value touches no disk."""

    root: Path

    @staticmethod
    def beside(recipe: Path | None = None) -> Home:
        """`PONENS_HOME` if set, else `.ponens/` beside the recipe (or in the working directory); always absolute.

        UsageError for a path that DuckDB and SQLite would read as another.
        """
        if chosen := os.environ.get("PONENS_HOME"):
            return Home(_sound(Path(chosen).resolve()))
        return Home(_sound((recipe.parent if recipe else Path.cwd()).resolve() / ".ponens"))

    @property
    def warehouse(self) -> Path:
        return self.root / "warehouse.duckdb"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger"

    @property
    def samples(self) -> Path:
        return self.root / "samples"

    @property
    def adapters(self) -> Path:
        return self.root / "adapters"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def mlflow(self) -> Path:
        return self.root / "mlflow"

    def receipt(self, step: str, key: str) -> Path:
        return self.root / "receipts" / step / f"{key}.json"

    def work(self, step: str, key: str) -> Path:
        return self.root / "work" / f"{step}-{key[:16]}"

    def run(self, run_id: str) -> Path:
        return self.root / "runs" / run_id

    def lock(self, name: str, who: str = "another process", waits: Waits = silent) -> AbstractContextManager[None]:
        """Hold `name` against other threads and processes; the kernel lets go if this one dies."""
        return holding(self.root / "locks" / f"{name}.lock", who, waits)
