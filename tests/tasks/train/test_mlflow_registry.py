"""MLflow after a training: the run carries verdict and accuracies, versions and aliases follow those of the home."""

import os
from pathlib import Path
from typing import Any

import pytest

from storage.adapters import champions, registry
from storage.adapters import versions as adapters
from storage.artifacts import write_json
from storage.home import Home
from tasks.train import tracking
from tests.adapters import judged, made

mlflow = pytest.importorskip("mlflow")
pytestmark = pytest.mark.process


class Echo(mlflow.pyfunc.PythonModel):
    """The least model that a run can hold."""

    def predict(self, context: Any, model_input: list[str]) -> list[str]:
        return model_input


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = Home(tmp_path / "home")
    home.mlflow.mkdir(parents=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # what MLflow sets itself is undone with this
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.chdir(tmp_path)
    return home


def trained(home: Home, number: int) -> adapters.Adapter:
    """A version whose training was tracked, with its model."""
    mlflow.set_tracking_uri(tracking.store(home))
    if mlflow.get_experiment_by_name("logic") is None:
        mlflow.create_experiment("logic", artifact_location=str(home.mlflow / "artifacts"))
    mlflow.set_experiment("logic")
    with mlflow.start_run() as run:
        mlflow.pyfunc.log_model(name="adapter", python_model=Echo(), pip_requirements=[])
    at = {"run_id": run.info.run_id, "experiment_id": run.info.experiment_id, "uri": tracking.store(home)}
    return made(home, digest=str(number) * 64, mlflow=at)


def told(home: Home) -> tuple[dict[str, str], dict[str, str]]:
    """Versions of the registered model by the adapter that each is, and adapters by alias."""
    assert [] == tracking.registered(home, "logic")
    client = mlflow.MlflowClient(tracking_uri=tracking.store(home))
    names = {str(v.version): v.tags["ponens.adapter"] for v in client.search_model_versions("name='logic'")}
    at = {alias: names[str(version)] for alias, version in client.get_registered_model("logic").aliases.items()}
    return {name: version for version, name in names.items()}, at


def test_versions_aliases_and_verdicts_follow_the_home(home: Home) -> None:
    first, second = trained(home, 1), trained(home, 2)
    judged(home, first)
    digest = {"digest": "e", "ingredients": {}} | {"made_at": "2026", "artifact": "artifacts/evaluations/x"}
    write_json(
        home.receipt("report", "r"),
        {**digest, "artifact": "artifacts/reports/r", "ingredients": {"inputs": {"evaluate": None}}},
    )
    registry.set_alias(home, first, "stable")
    champions.promote(home, first, None, "gate", "")
    before = told(home)
    champions.promote(home, second, first, "force", "tried by hand")
    run = mlflow.MlflowClient().get_run(adapters.about(first)["mlflow"]["run_id"]).data
    registry.remove(home, first, force=True)
    after = told(home)

    assert ({"logic/1": "1", "logic/2": "2"}, {"champion": "logic/1", "stable": "logic/1"}) == before
    assert ({"logic/2": "2"}, {"champion": "logic/2"}) == after
    assert ("better", "p < 0.05") == (run.tags["ponens.verdict"], run.tags["ponens.why"])
    assert (0.9, 0.1, 0.3, 0.2) == tuple(
        run.metrics[name] for name in ("accuracy", "accuracy_low", "accuracy_high", "base_accuracy")
    )
    assert "logic/1 in ponens view" in run.tags["mlflow.note.content"] and "better" in run.tags["mlflow.note.content"]
    assert run.tags["ponens.report"].endswith("artifacts/reports/r/report.html")


def test_what_was_never_tracked_starts_nothing(home: Home) -> None:
    made(home, "plain")
    before = os.listdir(home.root)

    assert [] == tracking.registered(home, "plain")
    assert before == os.listdir(home.root)
    assert [] == list(home.mlflow.iterdir())


def test_a_server_that_does_not_answer_is_a_warning(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # the discard port: nobody listens
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    made(home, mlflow={"run_id": "r", "experiment_id": "1", "uri": "http://127.0.0.1:9"})
    [warning] = tracking.registered(home, "logic")

    assert "MLflow was not told of logic" in warning
