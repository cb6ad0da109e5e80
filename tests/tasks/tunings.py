"""A supervised adapter of a tiny base, and preferences over words, as tuning takes them."""

import json
import random
from pathlib import Path
from typing import Any

from storage.adapters import versions as adapters
from storage.artifacts import publish, read_manifest
from storage.home import Home
from storage.records import Message, Receipt
from storage.tables import preferences
from storage.tables.preferences import Preference
from tasks.tune.order import TuneOrder
from tasks.tune.spec import TuneSpec
from tests.tasks.train.test_whole_training import WORDS, spec

TUNE: dict[str, Any] = {
    "learning_rate": 2e-3, "batch_size": 4, "gradient_accumulation": 1, "max_length": 128, "save_steps": 5, "warmup": 2,
    "epochs": 2,
}  # fmt: skip


def pairs(count: int = 48, *, paired: bool = True) -> list[Preference]:
    """Replies of which the chosen one ends with B and the rejected one with C."""
    draw, found = random.Random(3), list[Preference]()
    for n in range(count):
        asked = (Message("user", " ".join(draw.choices(WORDS, k=3 + n % 5))),)
        said = {"B": f"{draw.choice(WORDS)}\nAnswer: B", "C": f"{draw.choice(WORDS)}\nAnswer: C"}
        split = "valid" if n % 8 == 0 else "train"
        if paired:
            found.append(Preference(f"q{n}", f"g{n}", split, "votes", asked, said["B"], said["C"]))
        else:
            found += [
                Preference(f"q{n}", f"g{n}", split, "votes", asked, said["B"], None),
                Preference(f"q{n}", f"g{n}", split, "votes", asked, None, said["C"]),
            ]
    return found


def preferred(home: Home, rows: list[Preference]) -> Receipt:
    """The artifact of these preferences."""
    folder = home.work("prefer", "k" + str(len(rows)) + str(rows[0].rejected))
    folder.mkdir(parents=True)
    identity = preferences.write(folder, rows, [])
    facts = {"preferences": identity[:16], "rows": {"train": len(rows)}}
    made = publish(folder, "preferences", home, identity=identity, about={"facts": facts, "made_at": "2026-01-01"})
    return Receipt("prefer", "k", made.digest, made.artifact, facts, {}, 0.0, "")


def adapter_of(home: Home, name: str = "demo/1") -> Receipt:
    """The receipt of an adapter that is there."""
    folder = adapters.resolve(home, name).folder
    manifest = read_manifest(folder)
    return Receipt("train", "k", manifest["digest"], f"adapters/{name}", manifest["facts"], {}, 0.0, "")


def order(
    base: Path, adapter: Path, source: Path, folder: Path, train: dict[str, Any] | None = None, **tune: Any
) -> TuneOrder:
    """What the child is given, to be tuned in this process."""
    chosen = TuneSpec.model_validate(TUNE | tune)
    return TuneOrder(
        spec=chosen.training(spec(base, **(train or {}))),
        tune=chosen,
        base_folder=str(base),
        train=source / "train.parquet",
        valid=source / "valid.parquet",
        folder=folder,
        adapter=adapter,
        about={"base_identity": "b", "settings": {}, "parent": {"adapter": "demo/1", "digest": "d"}},
    )


def facts(order: TuneOrder) -> dict[str, Any]:
    """What a finished tuning said of itself."""
    found: dict[str, Any] = json.loads((order.folder / "adapter.json").read_text())["facts"]
    return found
