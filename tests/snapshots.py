"""Real snapshots of a few made-up examples."""

from pathlib import Path
from typing import Any

import polars as pl

from storage.artifacts import publish
from storage.home import Home
from storage.records import digest
from storage.tables import snapshot_catalog
from storage.tables.lineage import following

MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
EXAMPLE: dict[str, Any] = {
    **dict.fromkeys(("id", "question", "group", "split"), pl.String),
    **{"prompt": MESSAGES, "completion": MESSAGES, "request": pl.String, "shuffle": pl.Int32},
}


def example(question: str, text: str, split: str = "train", shuffle: int = 0, prompt: str = "") -> dict[str, Any]:
    asked = prompt or f"{question}?"
    return {
        "id": digest([asked, text])[:16],
        "question": question,
        "group": question,
        "split": split,
        "prompt": [{"role": "user", "content": asked}],
        "completion": [{"role": "assistant", "content": text}],
        "request": "r",
        "shuffle": shuffle,
    }


def snapshot(home: Home, *examples: dict[str, Any], recipe: str = "") -> snapshot_catalog.Snapshot:
    folder = home.work("assemble", digest([e["id"] + e["split"] for e in examples]))
    folder.mkdir(parents=True)
    frame = pl.DataFrame(list(examples), EXAMPLE)
    frame.write_parquet(folder / "examples.parquet")
    for split in ("train", "valid"):
        frame.filter(pl.col("split") == split).drop("request", "shuffle").write_parquet(folder / f"{split}.parquet")
    pl.DataFrame({"question": ["x"], "reason": ["duplicate"]}).write_parquet(folder / "drops.parquet")
    identity = digest(sorted([e["id"], e["split"]] for e in examples))
    about = {
        "facts": {"snapshot": identity[:16], "rows": {"train": len(examples), "valid": 0}},
        "made_at": "2026-01-01",
    }
    made = publish(folder, "snapshots", home, identity=identity, about=about)
    if recipe:
        with following(home, recipe, identity[:16], len(examples), {}):
            pass
    return snapshot_catalog.find(home, Path(made.artifact).name)
