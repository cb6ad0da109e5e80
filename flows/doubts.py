"""Keys in doubt of a recipe's newest asking, and what a person says of them: kept beside the recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.recipe import Recipe
from storage import corrections, runs
from storage.corrections import Correction
from storage.home import Home
from storage.records import Question, Receipt, UsageError
from storage.tables import doubted_keys, questions


class Doubts:
    """The suspects of a recipe's newest asking, and the file of what is said of them. UsageError for other kinds."""

    def __init__(self, recipe: Recipe, home: Home) -> None:
        if not recipe.work.letters:
            raise UsageError(
                f"a recipe of kind {recipe.kind!r} has no keys in doubt",
                expected='kind = "choice": its answers are letters, and a teacher is asked for them',
            )
        self.recipe, self.home = recipe, home
        self.file = Path(str(recipe.parse.corrections))
        self._runs = [run for run in runs.runs(home) if run.outcome.get("recipe") == recipe.name]

    def words(self) -> dict[str, Correction]:
        """The last word on each question of this recipe that has one, by id."""
        found = corrections.of_recipe(self.file, self.recipe.name)
        return dict(found.words) if found else {}

    def listed(self) -> list[dict[str, Any]]:
        """The suspects of which nobody has said anything, the strongest first."""
        if (receipt := self._newest("reason")) is None:
            raise UsageError(
                f"no teacher of recipe {self.recipe.name!r} was asked in {self.home.root}",
                expected="a run of the recipe up to `reason`",
                hint="ponens reason RECIPE",
            )
        words = self.words()
        return [row for row in doubted_keys.load(self.home.root / receipt.artifact) if row["question"] not in words]

    def say(self, id: str, says: str, why: str) -> Correction:
        """Say a word of the question that the beginning of an id names. UsageError for one that cannot be said."""
        question, says = self._question(id), corrections.spelled(says)
        if says not in corrections.WORDS and says not in question.letters:
            raise UsageError(
                f"question {question.id} has no option {says}",
                seen=", ".join(f"{a}) {text}" for a, text in zip(question.letters, question.options, strict=True)),
                expected=f"one of {', '.join(question.letters)}, {corrections.AMBIGUOUS} or {corrections.FINE}",
            )
        return corrections.say(self.file, question.id, says, why, self.recipe.name)

    def undo(self, id: str, why: str) -> Correction:
        """Take back what was said of a question. UsageError if nothing was."""
        found = [known for known in self.words() if known.startswith(id)]
        if len(found) != 1:
            raise UsageError(
                f"nothing was said of question {id!r}" if not found else f"{id!r} begins several ids",
                expected=f"the beginning of one of {', '.join(self.words()) or 'none yet'}",
            )
        return corrections.say(self.file, found[0], corrections.UNDONE, why, self.recipe.name)

    def _question(self, id: str) -> Question:
        receipts = [receipt for run in reversed(self._runs) if (receipt := run.receipt("parse"))]
        there = [receipt for receipt in receipts if (self.home.root / receipt.artifact / questions.QUESTIONS).exists()]
        found: Mapping[str, Question] = {}
        for receipt in there:  # what an earlier word left out is in the parse before it
            found = questions.beginning(self.home.root / receipt.artifact, id)
            if found:
                break
        if len(found) != 1:
            raise UsageError(
                f"{len(found) or 'no'} questions of recipe {self.recipe.name!r} have this id",
                seen=repr(id),
                expected="the beginning of one id, as `ponens suspects RECIPE` lists them"
                if there
                else "a recipe that was run up to `parse` at least: ponens run RECIPE --until parse",
            )
        return next(iter(found.values()))

    def _newest(self, step: str) -> Receipt | None:
        found = [receipt for run in self._runs if (receipt := run.receipt(step))]
        return next((one for one in reversed(found) if (self.home.root / one.artifact).is_dir()), None)
