"""The Prefect flows over several adapters: those that are there already, or those of a sweep.

Apart from `flows.finetune`, because Prefect makes a form of every flow that it reads, and each takes its time.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow

from flows import artifacts
from flows.chain import compare
from flows.finetune import finetune_logic
from flows.recipe import Recipe, StepName
from flows.run import Run
from flows.run_names import given, run_name
from flows.screen import Screen
from storage.home import Home
from storage.records import PonensError
from tasks.runtime.step import log


@flow(name="evaluate-adapters", flow_run_name=run_name, persist_result=False)
def evaluate_adapters(
    recipe: Recipe, adapters: list[str], home: Path | None = None, refresh: list[StepName] = []
) -> dict[str, Any]:
    """Adapters that are there, and the recipe's models, against the base, on its test questions; nothing is trained."""
    run = Run(recipe, Home(home.resolve()) if home else Home.beside(), refresh=refresh)
    summary = run.go(partial(compare, adapters=adapters)) | {"adapter": ", ".join([*adapters, *recipe.evaluate.models])}
    artifacts.run(summary)
    return summary


@flow(name="sweep", flow_run_name="{recipe.name}: sweep", persist_result=False)
def sweep(recipe: Recipe, names: list[str], trials: list[Recipe], joint: list[list[int]], home: Path) -> dict[str, Any]:
    """Train each trial of a recipe, one after the other, then evaluate the adapters of each joint group together.

    `names` are the trials' settings in short, `joint` the positions of those that one evaluation serves. Steps that
    trials share are found done by all but the first. A trial that fails is told of and left out.
    """
    artifacts.alive()
    trained: list[dict[str, Any]] = []
    for number, (name, trial) in enumerate(zip(names, trials, strict=True), 1):
        log.info("sweep: %s of %s, %s", number, len(trials), name)
        Screen().heading(f"{number} of {len(trials)}  {name}")
        run = finetune_logic.with_options(flow_run_name=given(recipe.name, [name]))
        try:
            trained.append(run(trial, home=home, until="train"))
        except PonensError as error:
            trained.append({**(error.summary or {}), "error": str(error)})
    evaluations = []
    for places in joint:
        adapters = dict.fromkeys(trained[i]["adapter"] for i in places if "adapter" in trained[i])
        if adapters:
            Screen().heading(f"evaluation of {', '.join(adapters)}")
            found = evaluate_adapters(trials[places[0]], adapters=list(adapters), home=home)
            evaluations.append(found["evaluation"] | {"adapters": list(adapters)})
    return {"trials": trained, "evaluations": evaluations}
