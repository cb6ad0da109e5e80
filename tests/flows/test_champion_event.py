"""A new champion at a real Prefect server: the event arrives, and a deployment that waits for it is run."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storage.home import Home
from tests.adapters import made
from tests.flows.conftest import ROOT

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

    from flows.announce import EVENT
    from flows.automations import on_champion

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
