"""What the child process of a reinforcement is told: a training's order, and its questions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from storage.records import Question
from storage.tables.questions import training_questions
from tasks.tune.grpo_spec import GrpoSpec
from tasks.tune.order import FurtherOrder


class GrpoOrder(FurtherOrder):
    """One reinforcement: `train` is the file of parsed questions."""

    module: ClassVar[str] = "tasks.tune.reinforcer"

    grpo: GrpoSpec

    def questions(self) -> Iterator[Question]:
        """The training questions with a key, at most as many as are to be asked, whatever their order in the source."""
        found = sorted(training_questions(self.train), key=lambda q: q.id)
        yield from found[: self.grpo.questions]
