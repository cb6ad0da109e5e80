"""A new champion, and one that fell, at a real Prefect server: the event arrives, and what waits for it is run."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storage import warehouse
from storage.adapters import champions
from storage.adapters import versions as adapters
from storage.home import Home
from tests.adapters import made
from tests.chains import follow
from tests.flows.conftest import ROOT, Hook
from tests.planted import planted, recipe

pytestmark = pytest.mark.prefect


def wait_for(found: Callable[[], list[Any]], seconds: float = 120) -> list[Any]:
    end = time.monotonic() + seconds
    while not (there := found()) and time.monotonic() < end:
        time.sleep(0.3)
    return there


def test_a_new_champion_is_an_event_and_runs_what_waits_for_it(prefect: dict[str, str], tmp_path: Path) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
    from prefect.events.filters import EventFilter, EventNameFilter
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.automations import on_champion
    from flows.notify import EVENT

    home = Home(tmp_path / "home")
    made(home)
    with temporary_settings({PREFECT_API_URL: prefect["PREFECT_API_URL"]}), get_client(sync_client=True) as client:
        flow = client.create_flow_from_name("tell")
        schema = {"type": "object", "properties": {"adapter": {"type": "string"}}}
        deployment = client.create_deployment(flow, "tell", parameter_openapi_schema=schema)
        name = on_champion("tell/tell")
        assert name == on_champion("tell/tell"), "safe to repeat"
        assert 1 == len(client.read_automations_by_name(name))
        subprocess.run(
            [sys.executable, "-m", "flows.cli", "promote", "logic/1", "--force", "--because", "the first"],
            cwd=ROOT,
            env={**prefect, "PONENS_HOME": str(home.root)},
            check=True,
            timeout=200,
        )
        asked = EventFilter(event=EventNameFilter(name=[EVENT]))
        [event] = wait_for(lambda: client.read_events(asked, limit=50).events)
        mine = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment]))
        [run] = wait_for(lambda: client.read_flow_runs(flow_run_filter=mine))

    assert ("ponens.adapter.logic", "logic/1") == (event.resource.id, event.resource["ponens.champion"])
    assert ("logic/1", None, "force", "the first") == tuple(
        event.payload[part] for part in ("adapter", "before", "how", "because")
    )
    assert {"adapter": "logic/1"} == run.parameters


def test_a_champion_that_fell_is_an_event_a_red_run_and_exit_code_3(
    prefect: dict[str, str], hook: tuple[str, type[Hook]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter, FlowRunFilterDeploymentId
    from prefect.events.filters import EventFilter, EventNameFilter
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.automations import on_alarm
    from flows.chain import again
    from flows.notify import ALARM
    from flows.reeval import reevaluate

    monkeypatch.setenv("PONENS_HOME", str(tmp_path / "home"))
    hook[1].replies.append(200)
    path = recipe(tmp_path)
    home, chosen, do = planted(path, 30, 12)
    good, bad = (adapters.resolve(home, f"logic/{number}") for number in (1, 2))
    champions.promote(home, good, None, "force", "the first")
    follow(reevaluate(chosen, home.root, "monday", ""), do)
    champions.promote(home, bad, good, "force", "by mistake")
    for name, seed in (("tuesday", 0), ("tuesday, again", 1)):  # planted for the command to find
        follow(again(chosen, home.root, chosen, "logic/2", name, seed), do)
    with temporary_settings({PREFECT_API_URL: prefect["PREFECT_API_URL"]}), get_client(sync_client=True) as client:
        flow = client.create_flow_from_name("rescue")
        schema = {"type": "object", "properties": {"champion": {"type": "string"}}}
        deployment = client.create_deployment(flow, "rescue", parameter_openapi_schema=schema)
        assert on_alarm("rescue/rescue") == on_alarm("rescue/rescue"), "safe to repeat"
        done = subprocess.run(
            [sys.executable, "-m", "flows.cli", "reeval", str(path), "--round", "tuesday", "--json"],
            cwd=ROOT,
            env={**prefect, "PONENS_HOME": str(home.root), "PONENS_WEBHOOK": hook[0]},
            capture_output=True,
            text=True,
            timeout=200,
        )
        asked = EventFilter(event=EventNameFilter(name=[ALARM]))
        [event] = wait_for(lambda: client.read_events(asked, limit=50).events)
        mine = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment]))
        [rescue] = wait_for(lambda: client.read_flow_runs(flow_run_filter=mine))
        [red] = client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=["reeval"])))

    told = json.loads(done.stdout)
    assert (3, "logic/2") == (done.returncode, told["champion"]), done.stderr
    assert "accuracy fell from 75.0 % to 30.0 % since monday, logic/1" in told["alarms"][0]
    assert ("ponens.adapter.logic", "logic/2") == (event.resource.id, event.resource["ponens.champion"])
    assert [{"set": "test", "what": ["accuracy"]}] == event.payload["fallen"]
    assert [(str(event.id), dict(event.payload))] == hook[1].heard, "the webhook hears the same"
    assert {"champion": "logic/2"} == rescue.parameters
    assert red.state and ("FAILED", "Alarm") == (red.state.type.value, red.state.name)
    assert "It fell" in Path(told["page"]).read_text("utf-8")
    rows = warehouse.query(home, "select round, accuracy from measures where side = 'champion'")
    assert {"monday": 0.75, "tuesday": 0.3} == {row["round"]: row["accuracy"] for row in rows}
