"""The Prefect flow `finetune-logic`: a recipe in, a verdict on its adapter out.

prefect deployment run finetune-logic/finetune-logic
ponens run recipes/demo.toml
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow

from flows import artifacts
from flows.recipe import Recipe, StepName
from flows.run import Run
from flows.run_names import run_name
from storage.home import Home


@flow(name="finetune-logic", flow_run_name=run_name, persist_result=False)
def finetune_logic(
    recipe: Recipe,
    home: Path | None = None,
    refresh: list[StepName] = [],
    until: StepName | None = None,
    set: list[str] = [],
) -> dict[str, Any]:
    """parse → reason → assemble → train → evaluate → report → promote; each step cached by its content.

    A recipe of another kind than multiple choice does not reason: its answers are the file's own. One without
    [promote] leaves the champion alone. One without [train] only measures: parse → evaluate → report.

    Args:
        recipe: All settings.
        home: The home; PONENS_HOME by default.
        refresh: Steps that are done again though they are done; replies that the home holds are not asked for again.
        until: The last step to do; all by default.
        set: Changes of the recipe, such as train.rank=8, as `ponens run --set` takes them.

    """
    run = Run(recipe.with_changes(set), Home(home.resolve()) if home else Home.beside(), refresh=refresh, until=until)
    summary = run.go()
    artifacts.run(summary)
    return summary
