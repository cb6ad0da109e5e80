"""The Prefect flow `finetune-logic`: a recipe in, a verdict on its adapter out.

prefect deployment run finetune-logic/finetune-logic
ponens run recipes/demo.toml
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow

from flows import artifacts
from flows.names import run_name
from flows.recipe import Recipe, StepName
from flows.run import Run
from storage.home import Home


@flow(name="finetune-logic", flow_run_name=run_name, persist_result=False)
def finetune_logic(
    recipe: Recipe, home: Path | None = None, refresh: list[StepName] = [], until: StepName | None = None
) -> dict[str, Any]:
    """parse → reason → assemble → train → evaluate → report → promote; each step cached by its content.

    A recipe of another kind than multiple choice does not reason: its answers are the file's own. One without
    [promote] leaves the champion alone. One without [train] only measures: parse → evaluate → report.
    """
    run = Run(recipe, Home(home.resolve()) if home else Home.beside(), refresh=refresh, until=until)
    summary = run.go()
    artifacts.run(summary)
    return summary
