"""A recipe's base model where it is a GGUF file, or a model imported into the home: the folder it stands for."""

from __future__ import annotations

from pathlib import Path

from flows.recipe import Recipe
from flows.show import stderr
from storage.home import Home
from tasks.adapters.import_model import base


def local(recipe: Recipe, home: Path) -> Recipe:
    """The recipe over folders and hub names alone; a GGUF file is imported the first time that it is named.

    UsageError if no base can be made of the file.
    """
    named = recipe.base
    if named is None:
        return recipe

    def report(line: str) -> None:
        stderr.print(f"[dim]importing {Path(named.base_model).name}: {line}[/]", soft_wrap=True)

    place = base(named.base_model, Home(home), report)
    if place == named.base_model:
        return recipe
    table = "train" if recipe.train else "evaluate"
    settings = (recipe.train or recipe.evaluate).model_copy(update={"base_model": place})
    return recipe.model_copy(update={table: settings})
