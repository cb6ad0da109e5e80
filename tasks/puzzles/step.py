"""puzzles: a count and a seed -> a file of generated problems in competition format.

Rows out: puzzles.jsonl, one problem a line. Run alone: `ponens puzzles --count 100 --seed 1 --out FILE`.
"""

from __future__ import annotations

from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict, Field

from puzzles.generate import QUERIES, generate
from tasks.runtime.step import Result, Step, Tick, Workshop

FILE = "puzzles.jsonl"


class PuzzlesSpec(BaseModel):
    """Which puzzles to generate."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int = Field(1000, ge=1, description="Number of problems.")
    seed: int = Field(1, description="Another seed gives other problems.")
    families: list[str] | None = Field(
        None, description="Puzzle families; all but queries by default. queries, alone, for kind sql."
    )

    @property
    def kind(self) -> str:
        """The kind of work that the rows are for."""
        return "sql" if self.families == [QUERIES] else "choice"


def step(spec: PuzzlesSpec) -> Step:
    """The step that writes `FILE`."""

    def work(shop: Workshop) -> Result:
        count = write(spec, shop.folder / FILE)
        shop.progress(Tick(count, count, "problems"))
        return Result({"problems": count, "seed": spec.seed})

    return Step("puzzles", (__name__,), spec.model_dump(), {}, work, shelf="puzzles")


def write(spec: PuzzlesSpec, path: Path) -> int:
    """Write the problems as JSON lines; returns their number. UsageError if there are not so many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with path.open("wb") as file:
        for problem in generate(spec.count, spec.seed, spec.families):
            file.write(orjson.dumps(problem) + b"\n")
            count += 1
    return count
