"""The folder of an adapter: what adapter.json and PEFT's configuration say, and what an engine can do with it.

    folder = AdapterFolder(home.adapters / "logic" / "3")
    folder.rank              8
    folder.not_on_the_fly    ["DoRA"]: what keeps vLLM from adding it to a base that runs; none if nothing does

Files are read as they are asked for, and trusted: a folder from elsewhere is looked at first
(`storage.adapters.peft_folder`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from storage.adapters.peft_config import on_the_fly
from storage.adapters.peft_folder import CONFIG, WEIGHTS, shapes_of
from storage.artifacts import write_json

ABOUT = "adapter.json"


@dataclass(frozen=True, slots=True)
class AdapterFolder:
    """A PEFT folder, or a model of its own where all weights were trained."""

    path: Path

    @property
    def about(self) -> dict[str, Any]:
        """What training, or an import, wrote of it. OSError or JSONDecodeError if that cannot be read."""
        found: dict[str, Any] = orjson.loads((self.path / ABOUT).read_bytes())
        return found

    @property
    def is_peft(self) -> bool:
        """Whether PEFT's configuration is there."""
        return (self.path / CONFIG).exists()

    @property
    def is_full_model(self) -> bool:
        """Whether this "adapter" is a model of its own: all weights were trained."""
        return not self.is_peft and (self.path / "config.json").exists()

    @property
    def config(self) -> dict[str, Any]:
        """PEFT's configuration. OSError or JSONDecodeError if it cannot be read."""
        found: dict[str, Any] = orjson.loads((self.path / CONFIG).read_bytes())
        return found

    def configure(self, config: dict[str, Any]) -> None:
        """Write PEFT's configuration."""
        write_json(self.path / CONFIG, config)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each of the adapter's tensors. PonensError if its file is torn."""
        return shapes_of(self.path / WEIGHTS)

    @property
    def rank(self) -> int:
        """The largest rank that its configuration names, by which vLLM makes room for it; 0 of a model of its own."""
        if self.is_full_model:
            return 0
        config = self.config
        return max([int(config["r"]), *map(int, (config.get("rank_pattern") or {}).values())])

    @property
    def not_on_the_fly(self) -> list[str]:
        """Why vLLM cannot add it to a base that runs, in words; none if it can."""
        return ["all weights trained"] if self.is_full_model else on_the_fly(self.config, self.shapes)

    @property
    def rows_needed(self) -> int:
        """The rows of embeddings that its own tokens need; 0 if it brings none along, or is a model itself."""
        if not self.is_peft:
            return 0
        found = self.config.get("trainable_token_indices") or []
        lists: list[list[int]] = list(found.values()) if isinstance(found, dict) else [found]
        return 1 + max((token for tokens in lists for token in tokens), default=-1)
