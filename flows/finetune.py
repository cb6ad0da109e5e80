"""The Prefect flows: a recipe in, a verdict on its adapter out.

prefect deployment run finetune-logic/finetune-logic
ponens run recipes/demo.toml
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from flows.chain import compare
from flows.recipe import Recipe, StepName
from flows.run import Run
from storage.home import Home

_MEASURES = ("accuracy", "ci95", "greedy_accuracy", "single_accuracy", "forced_accuracy", "value", "unreadable")


@flow(name="finetune-logic", flow_run_name="{recipe.name}", persist_result=False)
def finetune_logic(
    recipe: Recipe, home: Path | None = None, refresh: list[StepName] = [], until: StepName = "report"
) -> dict[str, Any]:
    """parse → reason → assemble → train → evaluate → report; each step cached by its content.

    A recipe of another kind than multiple choice does not reason: its answers are the file's own. One without
    [train] only measures: parse → evaluate → report.
    """
    run = Run(recipe, Home(home.resolve()) if home else Home.beside(), refresh=refresh, until=until)
    summary = run.go()
    _publish(summary)
    return summary


@flow(name="evaluate-adapters", flow_run_name="{recipe.name}", persist_result=False)
def evaluate_adapters(
    recipe: Recipe, adapters: list[str], home: Path | None = None, refresh: list[StepName] = []
) -> dict[str, Any]:
    """Adapters that are there already against their base, on the recipe's test questions; nothing is trained."""
    run = Run(recipe, Home(home.resolve()) if home else Home.beside(), refresh=refresh)
    summary = run.go(partial(compare, adapters=adapters)) | {"adapter": ", ".join(adapters)}
    _publish(summary)
    return summary


def _publish(summary: dict[str, Any]) -> None:
    """What a run came to, as artifacts on its page: the comparison, the verdict, the link to the report."""
    if page := summary.get("reason", {}).get("page"):
        create_link_artifact(Path(page).as_uri(), link_text="Rationales and keys in doubt", key="rationales-page")
        create_markdown_artifact(Path(page).with_suffix(".md").read_text("utf-8"), key="rationales")
    if found := summary.get("evaluation"):
        sides = [side for side in ("base", "adapter") if side in found]
        rows = [{"": side} | {m: _shown(found[side][m]) for m in _MEASURES if m in found[side]} for side in sides]
        said = f"{summary['adapter']} against its base: **{found['paired']['verdict']}**" if "paired" in found else ""
        create_table_artifact(rows, key="comparison", description=said or f"{summary['recipe']}: the base by itself")
    if page := summary.get("report"):
        create_link_artifact(
            Path(page).as_uri(), link_text=f"Report on {summary.get('adapter', summary['recipe'])}", key="report-page"
        )
        create_markdown_artifact(Path(page).with_suffix(".md").read_text("utf-8"), key="verdict")


def _shown(value: float | list[float] | None) -> str:
    if isinstance(value, list):
        return " … ".join(f"{end:.3f}" for end in value)
    return "–" if value is None else f"{value:.3f}"
