"""Runs under a Prefect worker that are killed, cancelled and left alone: what their pages say, and what is left."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_fixed

from storage.home import Home
from tests.flows.conftest import ROOT, at_work

pytestmark = [pytest.mark.heavy, pytest.mark.prefect, pytest.mark.process]
STEPS = ["parse", "reason", "assemble", "train", "evaluate"]


def wait_for(found: Callable[[], Any], seconds: float = 120, pause: float = 0.2) -> Any:
    end = time.monotonic() + seconds
    while not (there := found()) and time.monotonic() < end:
        time.sleep(pause)
    return there


def busy(error: BaseException) -> bool:
    """Whether the server asks to be asked again: its SQLite is locked."""
    return isinstance(error, urllib.error.HTTPError) and error.code == 503


@dataclass
class Desk:
    """A server with our deployments, a worker, and a home in which runs go on from one another."""

    env: dict[str, str]
    home: Home
    recipe: dict[str, Any]
    worker: subprocess.Popen[bytes] | None = None
    runs: list[str] = field(default_factory=list)

    @retry(retry=retry_if_exception(busy), stop=stop_after_attempt(6), wait=wait_fixed(2), reraise=True)
    def call(self, method: str, what: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self.env['PREFECT_API_URL']}/{what}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.loads(reply.read() or b"null")

    def hire(self) -> None:
        """A worker, in a process group of its own with all it starts."""
        self.worker = subprocess.Popen(
            [sys.executable, "-m", "prefect", "worker", "start", "--pool", "local-process"],
            cwd=ROOT,
            env={**self.env, "PREFECT_WORKER_QUERY_SECONDS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def fire(self) -> None:
        """SIGKILL to the worker and all that it started, as when its machine goes down."""
        assert self.worker is not None
        os.killpg(self.worker.pid, signal.SIGKILL)
        self.worker.wait()

    def start(self, set: Sequence[str] = (), **recipe: Any) -> str:
        deployment = self.call("GET", "deployments/name/finetune-logic/finetune-logic")["id"]
        parameters = {"recipe": self.recipe | recipe, "home": str(self.home.root), "set": list(set)}
        made = self.call("POST", f"deployments/{deployment}/create_flow_run", {"parameters": parameters})
        self.runs.append(made["id"])
        return str(made["id"])

    def run(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", f"flow_runs/{id}")
        return found

    def state(self, id: str) -> str:
        return str(self.run(id)["state_name"])

    def ended(self, id: str, *, as_: str, seconds: float = 120) -> dict[str, Any]:
        wait_for(lambda: self.run(id)["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"), seconds)
        found = self.run(id)
        assert as_ == found["state_name"], found["state"]["message"]
        return found

    def killed_in(self, step: str, seconds: float = 200) -> str:
        """A run whose process gets SIGKILL as soon as it is at this step, and is seen as crashed."""
        id = self.start()
        wait_for(lambda: at_work(self.home, step), seconds, pause=0.005)
        os.kill(int(self.run(id)["infrastructure_pid"].rpartition(":")[2]), signal.SIGKILL)
        self.ended(id, as_="Crashed", seconds=30)
        return id

    def steps(self, id: str) -> dict[str, str]:
        """The states of a run's steps."""
        mine = {"flow_runs": {"id": {"any_": [id]}}}
        return {task["name"]: task["state_name"] for task in self.call("POST", "task_runs/filter", mine)}

    def children(self) -> list[int]:
        """The processes that work for this home, Prefect's own apart."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace")
            except (OSError, UnicodeDecodeError):
                continue
            if str(self.home.root) in words and "tasks." in words:
                found.append(int(entry.name))
        return found


@pytest.fixture(scope="module")
def desk(prefect: dict[str, str], tmp_path_factory: pytest.TempPathFactory, recipe_text: str) -> Iterator[Desk]:
    env = {**prefect, "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
    subprocess.run([sys.executable, "-m", "flows.cli", "deploy"], cwd=ROOT, env=env, check=True, timeout=200)
    desk = Desk(env, Home(tmp_path_factory.mktemp("desk") / "home"), tomllib.loads(recipe_text))
    desk.hire()
    yield desk
    desk.fire()


@pytest.mark.parametrize("step", STEPS)
def test_a_run_killed_in_a_step_is_seen_as_crashed_and_the_next_goes_on_from_there(step: str, desk: Desk) -> None:
    """SIGKILL to the flow run's process: each run here finds done what the killed ones before it had done."""
    desk.killed_in(step)

    assert wait_for(lambda: not desk.children(), 10), desk.children()


def test_a_run_whose_worker_dies_with_it_leaves_no_child_and_another_worker_ends_the_work(desk: Desk) -> None:
    """What was killed in every step before is done here once, the report, killed too, by the run after it."""
    shutil.rmtree(desk.home.root / "samples", ignore_errors=True)
    lost = desk.start()
    wait_for(lambda: at_work(desk.home, "evaluate"), 200, pause=0.005)
    desk.fire()

    assert wait_for(lambda: not desk.children(), 10), desk.children()
    assert "Running" == desk.state(lost), "nobody is left to say so but the server: see the next test"
    desk.call(
        "POST", f"flow_runs/{lost}/set_state", {"state": {"type": "CRASHED"}, "force": True}
    )  # as the server will
    desk.hire()
    killed = desk.steps(desk.killed_in("report", 300))
    assert {"puzzles": "Cached", **dict.fromkeys(STEPS[:4], "Cached"), "evaluate": "Completed"} == {
        name: killed[name] for name in ("puzzles", *STEPS)
    }
    id = desk.start()
    desk.ended(id, as_="Completed")
    assert {"puzzles": "Cached", **dict.fromkeys(STEPS, "Cached"), "report": "Completed"} == desk.steps(id)
    asked = {"event": {"name": ["ponens.run.alive"]}, "resource": {"id": [f"prefect.flow-run.{id}"]}}
    assert wait_for(lambda: desk.call("POST", "events/filter", {"filter": asked})["events"], 20)


def test_a_run_of_which_nothing_is_heard_is_marked_as_crashed_by_the_server(desk: Desk) -> None:
    """As when its machine went down: after a beat, before the first one, or before its process began.

    The automations are what ponens deploy set up, with less patience.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.objects import FlowRun
    from prefect.events.schemas.automations import EventTrigger
    from prefect.settings import PREFECT_API_URL, temporary_settings
    from prefect.states import Running, Submitting

    from flows.artifacts import ALIVE
    from flows.crash_watch import BEAT, SILENT, UNBORN, UNHEARD, crash_the_silent
    from flows.deployments import POOL
    from flows.finetune import finetune_logic

    with temporary_settings({PREFECT_API_URL: desk.env["PREFECT_API_URL"]}), get_client(sync_client=True) as client:
        found = [client.read_automations_by_name(name)[0].trigger for name in (SILENT, UNHEARD, UNBORN)]
        patience = [trigger.within for trigger in found if isinstance(trigger, EventTrigger)]
        assert [timedelta(minutes=3), timedelta(minutes=3), timedelta(minutes=5)] == patience
        crash_the_silent(POOL, timedelta(seconds=15), timedelta(seconds=15))

        def begun(event: str | None) -> FlowRun:
            """A run that is said to run, and its one sign of life, sent at once: the server's clock goes from here."""
            run = client.create_flow_run(finetune_logic, parameters={"recipe": desk.recipe}, state=Running())
            flow = {"prefect.resource.id": f"prefect.flow.{run.flow_id}", "prefect.resource.role": "flow"}
            sign = {
                "id": str(uuid4()),
                "occurred": datetime.now(UTC).isoformat(),
                "event": event,
                "resource": {"prefect.resource.id": f"prefect.flow-run.{run.id}"},
                "related": [flow | {"prefect.resource.name": "finetune-logic"}],
            }
            if event:
                desk.call("POST", "events", [sign])
            return run

        without_beats, run, unheard = begun(ALIVE), begun(BEAT), begun(None)
        deployment = client.read_deployment_by_name("finetune-logic/finetune-logic").id
        unborn = client.create_flow_run_from_deployment(deployment, state=Submitting())
        ended = [desk.ended(str(one.id), as_="Crashed", seconds=90) for one in (run, unheard, unborn)]
        crash_the_silent(POOL)

    silent, no_process = "Nothing was heard of its process", "no process began"
    said = [str(one["state"]["message"]) for one in ended]
    assert all(words in text for words, text in zip([silent, silent, no_process], said, strict=True)), said
    assert "Running" == desk.state(str(without_beats.id)), "it is alive, and nothing is known of its beats"


def test_a_cancelled_run_ends_its_children_within_ten_seconds_and_another_goes_on(desk: Desk) -> None:
    id = desk.start(set=["train.max_steps=2000"])
    wait_for(lambda: at_work(desk.home, "train"), 200, pause=0.05)
    started = time.monotonic()
    desk.call("POST", f"flow_runs/{id}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})

    assert wait_for(lambda: not desk.children(), 60)
    took = time.monotonic() - started
    desk.ended(id, as_="Cancelled", seconds=60)
    assert took < 10
    assert list((desk.home.root / "work").glob("train-*/**/checkpoint-*")), "from which another run goes on"
    assert "small: train.max_steps=2000" == desk.run(id)["name"]
    said = [line["message"] for line in desk.call("POST", "logs/filter", {"logs": {"flow_run_id": {"any_": [id]}}})]
    assert any(line.startswith("train: cancelled in Prefect; what it has done stays") for line in said), said


def test_a_person_clicks_from_the_form_to_the_verdict(desk: Desk) -> None:
    """The deployment's form in a real browser: typed, filled in, bad values refused in it; then the finished report."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on this machine")
    deployment = desk.call("GET", "deployments/name/finetune-logic/finetune-logic")["id"]
    parameters = {"recipe": desk.recipe, "home": str(desk.home.root)}
    desk.call("PATCH", f"deployments/{deployment}", {"parameters": parameters})
    asked = {"deployments": {"id": {"any_": [deployment]}}}
    before = {run["id"] for run in desk.call("POST", "flow_runs/filter", asked)}
    site = desk.env["PREFECT_API_URL"].removesuffix("/api")

    with sync_api.sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]).new_page()
        page.set_default_timeout(120_000)

        def field(label: str) -> Any:
            """The number field under a label: the nearest one that is a child of what holds both."""
            named = page.locator("label").filter(has_text=re.compile(rf"^\s*{re.escape(label)}\s*$"))
            return named.first.locator("xpath=ancestor::*[.//input][1]//input").first

        page.goto(f"{site}/deployments/deployment/{deployment}/run", wait_until="domcontentloaded")
        submit = page.get_by_role("button", name="Submit")
        submit.wait_for()
        page.get_by_text("Rank of the adapter's matrices").wait_for()
        assert ("number", "3", "8") == (
            field("Votes (Optional)").get_attribute("type"),
            field("Votes (Optional)").input_value(),
            field("Rank (Optional)").input_value(),
        )

        field("Votes (Optional)").fill("0")
        submit.click()
        page.get_by_text("0 is less than the minimum of 1").first.wait_for()
        assert before == {run["id"] for run in desk.call("POST", "flow_runs/filter", asked)}

        field("Votes (Optional)").fill("3")
        submit.click()
        [id] = wait_for(lambda: {r["id"] for r in desk.call("POST", "flow_runs/filter", asked)} - before, 120)
        desk.ended(id, as_="Completed", seconds=300)
        page.goto(f"{site}/runs/flow-run/{id}", wait_until="domcontentloaded")
        page.get_by_text("Completed").first.wait_for()
        page.get_by_text("Artifacts", exact=True).click()
        page.get_by_text("verdict", exact=True).first.click()
        page.get_by_text(re.compile("cannot tell|better|worse")).first.wait_for()
