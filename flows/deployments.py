"""What prefect.yaml names and `ponens deploy` sets up at a Prefect server: pool, deployments, schedules, automations.

    set_up()    all of it; safe to repeat: what a person changed at the server stays

`recipe` is a build step of prefect.yaml: it reads a recipe when it is deployed, so that its file is its only place.
What stands in prefect.yaml is brought up to date each time. The pool and the place for an alarm's action are made
where they are missing. A schedule follows its recipe, but stays paused where it was.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from flows import automations, crash_watch
from flows.finetune import finetune_logic
from flows.recipe import load
from flows.reeval import reeval
from storage.home import Home
from storage.records import PonensError, UsageError
from tasks.adapters.reeval import ReevalSpec

ROOT = Path(__file__).resolve().parents[1]
POOL, TAG = "local-process", "ponens"
_MADE = re.compile(r"Deployment '(.+?)' successfully")  # as `prefect deploy` tells it
_TAIL = 40  # lines of it, in an error
SCHEDULE = "recipe"  # the slug of a schedule that follows its recipe

finetune_sql = finetune_logic.with_options(name="finetune-sql")
finetune_proofnet = finetune_logic.with_options(name="finetune-proofnet")
finetune_chat = finetune_logic.with_options(name="finetune-chat")


class Deployed(NamedTuple):
    """What is there now: deployments as FLOW/DEPLOYMENT, schedules by deployment in words, automations."""

    deployments: list[str]
    schedules: dict[str, str]
    automations: list[str]


def recipe(path: str) -> dict[str, Any]:
    """What a deployment takes from where it is deployed.

    recipe: what the file says, as the flow's parameter; its paths count from the working directory of a run
    root:   this checkout, absolute: the working directory of its runs
    home:   PONENS_HOME where it is set, else the home beside the recipes, counted from the root
    """
    said = load(Path(path), folder=Path(os.path.relpath(Path(path).parent))).model_dump(mode="json", exclude_unset=True)
    return {"recipe": said, "root": str(ROOT), "home": os.environ.get("PONENS_HOME") or "recipes/.ponens"}


def set_up(tell: Callable[[str], None] = lambda name: None) -> Deployed:
    """Pool, the deployments of prefect.yaml, their recipes' schedules, automations for alarms and for silent runs.

    `tell` hears FLOW/DEPLOYMENT of each deployment as it is made, which takes seconds each.
    UsageError where no server is named, PonensError where it does not answer or refuses.
    """
    url = get_current_settings().api.url
    if url is None:
        raise UsageError(
            "deployments need a Prefect server",
            seen="PREFECT_API_URL is not set",
            hint="prefect server start, then export PREFECT_API_URL=http://127.0.0.1:4200/api",
        )
    with get_client(sync_client=True) as client:
        if error := client.api_healthcheck():
            raise PonensError(
                "the Prefect server does not answer",
                seen=f"{url}: {type(error).__name__}",
                hint="prefect server start, or set PREFECT_API_URL to one that runs",
            )
        _pool(client)
        tagged = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
        paused = [one.id for one in client.read_deployments(deployment_filter=tagged) if one.paused]

        def hear(line: str) -> None:
            if name := _MADE.search(line):
                tell(name[1])

        try:
            _prefect("--no-prompt", "deploy", "--all", hear=hear)
        finally:
            for id in paused:  # deploying lets them run again
                client.pause_deployment(id)
        found = client.read_deployments(deployment_filter=tagged)
        flows = {one.id: one.name for one in client.read_flows(deployment_filter=tagged)}
        names = {f"{flows[one.flow_id]}/{one.name}": one for one in found}
        schedules = {
            name: said
            for name, one in sorted(names.items())
            if flows[one.flow_id] == reeval.name and (said := _schedule(client, one))
        }
        crash_watch.bury(Home.beside())
        return Deployed(sorted(names), schedules, [automations.watch(client), *crash_watch.crash_the_silent(POOL)])


def _pool(client: SyncPrefectClient) -> None:
    try:
        client.read_work_pool(POOL)
    except ObjectNotFound:
        _prefect("work-pool", "create", POOL, "--type", "process")


def _schedule(client: SyncPrefectClient, deployment: DeploymentResponse) -> str | None:
    """Bring the schedule of a deployment to what its recipe says; in words, None where it has none."""
    told = (deployment.parameters.get("recipe") or {}).get("reeval") or {}
    spec = ReevalSpec.model_validate(told)
    there = next((one for one in deployment.schedules if one.slug == SCHEDULE), None)
    if spec.cron is None:
        if there:
            client.delete_deployment_schedule(deployment.id, there.id)
        return None
    wanted = CronSchedule(cron=spec.cron, timezone=spec.timezone)
    if there is None:
        client.create_deployment_schedules(deployment.id, [DeploymentScheduleCreate(schedule=wanted, slug=SCHEDULE)])
    elif there.schedule != wanted:
        client.update_deployment_schedule(deployment.id, there.id, schedule=wanted)
    return f"{spec.cron} {spec.timezone}{', paused' if there and not there.active else ''}"


def _prefect(*arguments: str, hear: Callable[[str], None] = lambda line: None) -> None:
    """Prefect's own command at the root of this house; `hear` gets each line that it prints, which is no result."""
    command = [sys.executable, "-m", "prefect", *arguments]
    home = {"PONENS_HOME": str(Home.beside().root)} if os.environ.get("PONENS_HOME") else {}  # it counts from here
    env = {**os.environ, **home, "COLUMNS": "500", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    out = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        printed: deque[str] = deque(maxlen=_TAIL)
        for line in process.stdout:
            printed.append(line)
            hear(line)
    if process.returncode:
        raise PonensError(
            f"`prefect {' '.join(arguments)}` failed",
            seen="".join(printed).strip()[-2000:],
            hint="what stands in prefect.yaml has to be deployable by itself",
        )
