"""prefect.yaml: the deployments' parameters are the recipes'."""

from pathlib import Path

import yaml

from flows.recipe import Recipe, load

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_deployment_carries_the_demo_recipe() -> None:
    deployments = {d["name"]: d for d in yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))["deployments"]}

    assert load(ROOT / "recipes" / "demo.toml") == Recipe(**deployments["finetune-logic"]["parameters"]["recipe"])
