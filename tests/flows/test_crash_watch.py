"""A run whose process was killed is called crashed as soon as anybody comes to its home again."""

from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Running

from flows import crash_watch
from storage import runs
from storage.home import Home


@flow(name="finetune-crash-test")
def nothing() -> None:
    """What a run is of."""


@pytest.mark.prefect
def test_killed_runs_are_called_crashed_and_no_others(prefect: dict[str, str], tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with temporary_settings({PREFECT_API_URL: prefect["PREFECT_API_URL"]}), get_client(sync_client=True) as client:
        made = {name: client.create_flow_run(nothing, state=Running()).id for name in ("killed", "at-work", "ended")}
        client.set_flow_run_state(made["ended"], Completed(), force=True)
        for name in ("killed", "ended"):
            with runs.going(home, name, "{}") as folder:
                runs.known_as(folder, str(made[name]))
        with runs.going(home, "at-work", "{}") as folder:
            runs.known_as(folder, str(made["at-work"]))
            told = crash_watch.bury(home)
        states = {name: client.read_flow_run(id).state for name, id in made.items()}

    assert ["killed"] == told
    assert {"killed": "Crashed", "at-work": "Running", "ended": "Completed"} == {n: s.name for n, s in states.items()}
    assert crash_watch.KILLED == states["killed"].message


def test_without_a_server_nothing_is_told_and_nothing_fails(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with runs.going(home, "killed", "{}") as folder:
        runs.known_as(folder, "5b1cbf2e-7c2b-4f0e-9d5e-000000000000")

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert [] == crash_watch.bury(home)
    assert ["killed"] == runs.killed(home)
    assert [] == runs.killed(Home(tmp_path / "none"))
