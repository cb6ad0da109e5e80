"""The job templates for containers: what Prefect's worker fills in is there, and nothing is left unfilled."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
# what prefect-docker 0.7 and prefect-kubernetes 0.8 refuse a template without, beside each other's own
NEEDED = {
    "docker": {"command", "env", "image", "volumes"},
    "kubernetes": {"command", "env", "job_manifest", "namespace"},
}


def placeholders(value: Any) -> set[str]:
    return set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(value)))


@pytest.mark.parametrize("name", NEEDED)
def test_a_job_template_asks_for_what_it_fills_in(name: str) -> None:
    template = json.loads((ROOT / "deploy" / f"{name}.json").read_text())
    configuration, fields = template["job_configuration"], template["variables"]["properties"]

    assert NEEDED[name] <= configuration.keys()
    assert placeholders(configuration) == fields.keys()
    assert all({"title", "description"} <= field.keys() for field in fields.values())
    if name == "kubernetes":
        spec = configuration["job_manifest"]["spec"]
        assert (1, 1, 0) == (spec["parallelism"], spec["completions"], spec["backoffLimit"])
        (container,) = spec["template"]["spec"]["containers"]
        assert "prefect-job" == container["name"], "the worker looks for it"
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        assert mounts == {volume["name"] for volume in spec["template"]["spec"]["volumes"]}


def test_the_image_holds_what_the_deployments_name() -> None:
    deployments = yaml.safe_load((ROOT / "deploy" / "prefect.yaml").read_text())
    docker = (ROOT / "deploy" / "Dockerfile").read_text()

    (pull,) = deployments["pull"]
    assert f"WORKDIR {pull['prefect.deployments.steps.set_working_directory']['directory']}\n" in docker
    assert all((ROOT / d["entrypoint"].partition(":")[0]).exists() for d in deployments["deployments"])
    assert not re.search(r"https?://|[a-z]+\.(io|org|com)\b", docker), "an index or a registry is the builder's choice"
    assert re.search(r"^USER 1000$", docker, re.MULTILINE)
    assert "bash install.sh" in docker
