"""Deployments: prefect.yaml names the recipes, and `ponens deploy` makes a real server ready, as often as one likes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.recipe import Recipe, load
from tests.flows.conftest import ROOT, environment

RECIPES = {path.stem: path for path in (ROOT / "recipes").glob("*.toml")}


def declared() -> dict[str, dict[str, Any]]:
    return {d["name"]: d for d in yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))["deployments"]}


def read_by(deployment: dict[str, Any]) -> Path:
    """The recipe that a deployment's build step reads."""
    [step] = deployment["build"]
    return Path(step["flows.deployments.recipe"]["path"])


def test_each_recipe_has_a_deployment_with_what_its_file_says(monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.deployments import recipe

    monkeypatch.chdir(ROOT)
    of = {name: read_by(d) for name, d in declared().items()}
    assert {path.resolve() for path in of.values()} == {path.resolve() for path in RECIPES.values()}
    for name, path in of.items():
        given = Recipe.model_validate(recipe(str(path))["recipe"])
        wanted = load(path)
        assert not any(Path(one).is_absolute() for one in (given.parse.path,) if isinstance(one, str)), name
        assert _absolute(given) == _absolute(wanted)


@pytest.mark.parametrize(("asked", "home"), [("/my/home", "/my/home"), ("", "recipes/.ponens")])
def test_a_deployment_runs_in_the_checkout_and_in_the_home_that_was_asked_for(
    asked: str, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.deployments import recipe

    monkeypatch.setenv("PONENS_HOME", asked)
    monkeypatch.setenv("PWD", "/elsewhere")
    made = recipe(str(RECIPES["demo"]))
    said = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))
    of = {d["name"]: d["work_pool"]["job_variables"]["env"]["PONENS_HOME"] for d in said["deployments"]}

    assert (str(ROOT), home) == (made["root"], made["home"])
    assert [{"prefect.deployments.steps.set_working_directory": {"directory": "{{ root }}"}}] == said["pull"]
    assert {"{{ home }}"} == set(of.values())


def _absolute(recipe: Recipe) -> Recipe:
    """The recipe with the paths of its source and its corrections counted from the root."""
    paths = {name: str(ROOT / str(path)) for name in ("path", "corrections") if (path := getattr(recipe.parse, name))}
    return recipe.model_copy(update={"parse": recipe.parse.model_copy(update=paths)})


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:9/api"])
def test_without_a_server_it_says_so(url: str, tmp_path: Path) -> None:
    env = environment(PREFECT_HOME=str(tmp_path), **({"PREFECT_API_URL": url} if url else {}))
    done = _deploy(env)

    assert (1 if url else 2) == done.returncode
    assert ("does not answer" if url else "PREFECT_API_URL is not set") in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.prefect
def test_an_empty_server_is_made_ready_and_what_a_person_changed_there_stays(prefect: dict[str, str]) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule
    from prefect.settings import PREFECT_API_URL, temporary_settings

    made = _deploy(prefect, "--json")
    first = _told(made)
    assert sorted(first["deployments"]) == sorted(
        line.split()[1] for line in made.stderr.splitlines() if "deployed" in line
    )
    with temporary_settings({PREFECT_API_URL: prefect["PREFECT_API_URL"]}), get_client(sync_client=True) as client:
        names = {f"{name}/{name}" for name in ("finetune-logic", "finetune-sql", "finetune-proofnet", "finetune-chat")}
        assert names | {"reeval/reeval"} <= set(first["deployments"])
        for name in names:
            found = client.read_deployment_by_name(name)
            assert found.parameter_openapi_schema and "Recipe" in found.parameter_openapi_schema["definitions"]
            assert str(ROOT) == found.pull_steps[0]["prefect.deployments.steps.set_working_directory"]["directory"]
            assert prefect.get("PONENS_HOME", "recipes/.ponens") == found.job_variables["env"]["PONENS_HOME"]
            assert found.parameters["recipe"]["name"] == load(ROOT / read_by(declared()[found.name])).name
        reeval = client.read_deployment_by_name("reeval/reeval")
        [nightly] = reeval.schedules
        assert (CronSchedule(cron="0 3 * * *", timezone="UTC"), True) == (nightly.schedule, nightly.active)

        client.update_deployment_schedule(reeval.id, nightly.id, active=False)
        weekly = CronSchedule(cron="0 5 * * 1", timezone="UTC")
        client.create_deployment_schedules(reeval.id, [DeploymentScheduleCreate(schedule=weekly)])
        client.pause_deployment(client.read_deployment_by_name("finetune-sql/finetune-sql").id)
        [alarm] = client.read_automations_by_name("champion fell")
        client.pause_automation(alarm.id)
        before = [_state(client, name) for name in first["deployments"]]
        second = _told(_deploy(prefect, "--json"))

        assert before == [_state(client, name) for name in second["deployments"]]
        assert {"reeval/reeval": "0 3 * * * UTC, paused"} == second["schedules"]
        assert [(alarm.id, False)] == [(a.id, a.enabled) for a in client.read_automations_by_name("champion fell")]


def _state(client: Any, name: str) -> tuple[Any, ...]:
    found = client.read_deployment_by_name(name)
    schedules = sorted((str(s.id), s.slug or "", s.schedule.cron, s.active) for s in found.schedules)
    return name, found.id, found.paused, found.parameters, schedules


def _deploy(env: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.cli", "deploy", *options]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)


def _told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert 0 == done.returncode, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told
