"""Tracking: what is refused before anything is loaded, what MLflow is told, and that no tracker can end a training."""

import importlib.util
import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from storage.home import Home
from storage.records import UsageError
from tasks.runtime import redaction
from tasks.train import tracking


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # what MLflow sets itself is undone with this
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    return Home(tmp_path / "home")


def order(home: Home) -> dict[str, Any]:
    """What a training of `logic` asks of MLflow."""
    home.root.mkdir(exist_ok=True)
    return {
        "experiment": "logic", "run_name": "logic-1", "key": "1" * 16, "params": {"rank": 8, "alpha": None},
        "recipe": {"name": "logic"}, "dataset": {"name": "logic", "digest": "d" * 64, "path": "/data", "rows": 7},
        "history": str(home.root / "history.json"), "adapter": str(home.root / "adapter"), "base_folder": "",
    }  # fmt: skip


def told(home: Home, steps: int) -> None:
    """A history of so many steps."""
    rows = [{"step": n, "loss": 1 / n, "learning_rate": 0.1} for n in range(1, steps + 1)]
    content = {"trainable": 10, "parameters": 1000, "total": 9, "rows": rows}
    (home.root / "history.json").write_text(json.dumps(content))


def test_a_tracker_that_is_not_installed_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    tracking.check(["none"])
    with pytest.raises(UsageError, match="report_to names 'wandb'") as refused:
        tracking.check(["wandb"])
    assert "pip install wandb" in str(refused.value)


def test_secrets_are_left_out_of_what_is_told() -> None:
    given = {
        "base_url": "https://me:hunter2@host/v1",
        "teacher": {"api_key": "sk-1", "max_tokens": 5, "model": "m"},
        "parse": {"path": ["s3://id:hunter2@bucket/x"]},
    }
    said = json.dumps(redaction.public(given))

    assert "hunter2" not in said
    assert "sk-1" not in said
    assert 5 == redaction.public(given)["teacher"]["max_tokens"]


def test_the_store_is_the_homes_unless_the_environment_names_another(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"sqlite:///{home.root}/mlflow/mlflow.db" == tracking.store(home)

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://there:5000")
    assert "http://there:5000" == tracking.store(home)


@pytest.mark.heavy
def test_after_a_kill_the_run_goes_on_and_no_step_is_logged_twice(home: Home) -> None:
    mlflow = pytest.importorskip("mlflow")
    from tasks.train.mlflow_run import _Run

    folder = home.root / "work"
    folder.mkdir(parents=True)
    there = {"home": str(home.root), "folder": str(folder)}
    given = order(home) | there | {"artifacts": str(home.mlflow / "artifacts")}
    told(home, 3)
    first = _Run(given)
    first.catch_up()
    told(home, 5)  # the kill came here; the history went on
    second = _Run(given)
    second.catch_up()
    second.catch_up()
    second.end("FINISHED")
    run = mlflow.MlflowClient().get_run(first.id)
    losses = mlflow.MlflowClient().get_metric_history(first.id, "loss")

    assert first.id == second.id
    assert [1, 2, 3, 4, 5] == sorted(metric.step for metric in losses)
    assert {"rank": "8", "trainable_parameters": "10", "trainable_share": "0.010000"} == run.data.params
    assert [("logic", "d" * 16)] == [(i.dataset.name, i.dataset.digest) for i in run.inputs.dataset_inputs]
    assert {"name": "logic"} == mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/recipe.json")
    assert "FINISHED" == run.info.status


@pytest.mark.process
def test_a_server_that_is_not_there_is_a_warning_and_the_training_goes_on(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # the discard port: nobody listens
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    trained = False
    following = tracking.following(["mlflow"], order(home), home.root / "work", home)
    with caplog.at_level(logging.WARNING, "ponens"), following as said:
        trained = True

    assert trained
    assert "run_id" not in said
    assert "MLflow does not hold this run whole" in caplog.text


@pytest.mark.process
def test_a_training_that_fails_is_a_failed_run_and_its_error_passes_through(home: Home) -> None:
    mlflow = pytest.importorskip("mlflow")
    home.root.mkdir()
    told(home, 2)
    following = tracking.following(["mlflow"], order(home), home.root / "work", home)
    with pytest.raises(ValueError, match="the loss"), following as told_of:
        raise ValueError("the loss is nan")
    client = mlflow.MlflowClient(tracking_uri=tracking.store(home))

    assert "FAILED" == client.get_run(told_of["run_id"]).info.status
    assert 0.5 == client.get_run(told_of["run_id"]).data.metrics["loss"]


def test_without_mlflow_nothing_is_started(home: Home) -> None:
    before = threading.active_count()
    with tracking.following(["none"], {}, home.root / "work", home) as said:
        assert before == threading.active_count()

    assert {} == said
    assert not home.root.exists()


@pytest.mark.heavy
def test_a_tracker_that_breaks_is_left_and_heard_of_once(capfd: pytest.CaptureFixture[str]) -> None:
    from tasks.train.history import Guarded

    class Broken:
        calls = 0

        def on_log(self, *args: object, **more: object) -> None:
            Broken.calls += 1
            raise ConnectionError("no server")

    guarded = Guarded("wandb", Broken)
    for _ in range(3):
        guarded.on_log(None, None, None, logs={})
    nothing = Guarded("wandb", lambda: 1 / 0)
    nothing.on_train_begin(None, None, None)

    said = capfd.readouterr().out
    assert 1 == Broken.calls
    assert 1 == said.count("ConnectionError: no server")
    assert 1 == said.count("ZeroDivisionError")


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_a_training_is_a_run_whose_model_answers(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    pandas = pytest.importorskip("pandas")
    from storage.adapters import versions as adapters
    from tasks.runtime.step import run_step
    from tasks.train.step import step
    from tests.tasks.train import test_whole_training as training
    from tests.tiny import tiny_base

    base = tiny_base(tmp_path / "base", hidden=32, layers=1)
    spec = training.spec(base, report_to=["mlflow"])
    snapshot = training.snapshot(home, training.rows(160))
    recipe = json.dumps({"name": "demo", "reason": {"base_url": "https://me:hunter2@host"}})
    receipt, _ = run_step(step(spec, "demo", snapshot, recipe), home)
    about = adapters.about(adapters.resolve(home, "demo/1"))
    id = about["mlflow"]["run_id"]
    mlflow.set_tracking_uri(tracking.store(home))
    client = mlflow.MlflowClient()
    run = client.get_run(id)
    model = mlflow.pyfunc.load_model(f"runs:/{id}/adapter")
    question = training.rows(1, 2)[0]["prompt"][0]["content"]

    assert ("FINISHED", "8") == (run.info.status, run.data.params["rank"])
    assert receipt.facts["steps"] == len(client.get_metric_history(id, "loss"))
    assert {"loss", "learning_rate", "tokens_per_second", "memory", "valid_loss"} <= run.data.metrics.keys()
    assert "hunter2" not in mlflow.artifacts.load_text(f"{run.info.artifact_uri}/recipe.json")
    assert {"temperature", "top_p", "max_new_tokens", "seed"} == {p.name for p in model.metadata.signature.params}

    [reply] = model.predict(question)
    assert "Answer: B" in reply
    assert [reply, reply] == model.predict([question, question])
    assert [reply] == model.predict(pandas.DataFrame({"question": [question]}))
    assert [reply] == model.predict({"messages": [{"role": "user", "content": question}]})
    assert len(reply) > len(model.predict(question, params={"max_new_tokens": 1})[0])
    files = [path for path in (home.mlflow / "artifacts").rglob("*") if path.is_file()]
    assert ["adapter_model.safetensors"] == [p.name for p in files if p.suffix in (".safetensors", ".bin", ".pt")]
