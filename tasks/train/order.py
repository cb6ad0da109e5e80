"""What the child process of a training is told: the spec as it was checked, where rows and base lie, what to note."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from tasks.train.spec import TrainSpec


class TrainOrder(BaseModel):
    """One training. `about` is what adapter.json says besides what the training finds out.

    `module` is what the child processes run, with the order's file.
    """

    module: ClassVar[str] = "tasks.train.trainer_main"

    model_config = ConfigDict(extra="forbid", frozen=True)

    spec: TrainSpec
    base_folder: str  # empty where the base model is a hub's
    train: Path
    valid: Path
    folder: Path
    about: dict[str, Any]

    @property
    def base(self) -> str:
        """Where the base model is loaded from: its folder, or its name on the hub."""
        return self.base_folder or self.spec.base_model
