"""What the child process of a tuning is told: a training's order, what is tuned how, and the adapter to go on from."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from tasks.train.order import TrainOrder
from tasks.tune.spec import TuneSpec


class FurtherOrder(TrainOrder):
    """A training that goes on from an adapter, whose folder is `adapter`."""

    adapter: Path


class TuneOrder(FurtherOrder):
    """One tuning on preferences: `spec` is [train] with [tune]'s own settings."""

    module: ClassVar[str] = "tasks.tune.tuner"

    tune: TuneSpec
