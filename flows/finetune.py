"""The Prefect flows: a recipe in, a verdict on its adapter out.

prefect deployment run finetune-logic/finetune-logic
ponens run recipes/demo.toml
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_link_artifact, create_markdown_artifact

from flows.chain import compare
from flows.recipe import Recipe, StepName
from flows.run import Run
from storage.home import Home


@flow(name="finetune-logic", flow_run_name="{recipe.name}", persist_result=False)
def finetune_logic(
    recipe: Recipe, home: Path | None = None, refresh: list[StepName] = [], until: StepName = "report"
) -> dict[str, Any]:
    """parse → reason → assemble → train → evaluate → report; each step cached by its content."""
    run = Run(recipe, Home(home.resolve()) if home else Home.beside(), refresh=refresh, until=until)
    summary = run.go()
    if page := summary.get("report"):
        create_link_artifact(Path(page).as_uri(), link_text=f"Report on {summary['adapter']}", key="report-page")
        create_markdown_artifact(Path(page).with_suffix(".md").read_text("utf-8"), key="verdict")
    return summary


@flow(name="evaluate-adapters", flow_run_name="{recipe.name}", persist_result=False)
def evaluate_adapters(
    recipe: Recipe, adapters: list[str], home: Path | None = None, refresh: list[StepName] = []
) -> dict[str, Any]:
    """Adapters that are there already against their base, on the recipe's test questions; nothing is trained."""
    run = Run(recipe, Home(home.resolve()) if home else Home.beside(), refresh=refresh)
    return run.go(partial(compare, adapters=adapters)) | {"adapter": ", ".join(adapters)}
