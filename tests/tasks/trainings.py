"""Orders for trainings in this process, and what they leave: see test_training for rows and snapshots."""

import json
from pathlib import Path
from typing import Any

from storage.home import Home
from tasks.train.order import TrainOrder
from tests.tasks.train.test_whole_training import rows, snapshot, spec


def order(base: Path, folder: Path, count: int = 32, words: int | None = None, **changes: Any) -> TrainOrder:
    """What the child is given. Rows are of many lengths unless `words` says how long they are."""
    folder.mkdir(parents=True, exist_ok=True)
    several = [rows(1, seed=n, words=words or 2 + n * 7 % 23)[0] for n in range(count)]
    source = folder / snapshot(Home(folder), several).artifact
    return TrainOrder(
        spec=spec(base, **{"dropout": 0.0, **changes}),
        base_folder=str(base),
        train=source / "train.parquet",
        valid=source / "valid.parquet",
        folder=folder / "out",
        about={"base_identity": "b", "settings": {}},
    )


def facts(order: TrainOrder) -> dict[str, Any]:
    """What a finished training said of itself."""
    found: dict[str, Any] = json.loads((order.folder / "adapter.json").read_text())["facts"]
    return found


def losses(order: TrainOrder) -> list[float]:
    return [entry["loss"] for entry in facts(order)["loss"]]
