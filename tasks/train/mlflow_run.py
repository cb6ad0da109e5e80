"""What runs beside a training to track it: `python -m tasks.train.mlflow_run ORDER.json`.

history.json, adapter.json ──▶ one MLflow run: parameters, metrics by step, the snapshot as a dataset, the recipe,
and the adapter as a model. It asks the store how far the run has come, so a training that goes on after a kill goes
on in the same run, and no step is logged twice.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from storage.adapters.folder import ABOUT, AdapterFolder
from storage.adapters.peft_folder import KEPT
from storage.artifacts import write_json
from storage.browse import address
from storage.home import Home
from tasks.runtime import worker
from tasks.train.mlflow_registry import KIND
from tasks.train.tracking import ENDED, store

MODEL = "adapter"
_STATE = "run.json"
_EVERY_S = 1.0
_PATIENCE_S = 120.0  # after the training's end, which waits for this
_LONGEST = 6000  # characters of a parameter's value in MLflow
_REQUIRED = ("mlflow", "torch", "transformers", "peft")


def follow(path: Path) -> None:
    """Track as the order says until the training has ended."""
    os.nice(10)
    order: dict[str, Any] = orjson.loads(path.read_bytes())
    folder = Path(order["folder"])
    run = _Run(order)
    while not (folder / ENDED).exists():
        run.catch_up()
        time.sleep(_EVERY_S)
    threading.Thread(target=_give_up, daemon=True).start()
    status = orjson.loads((folder / ENDED).read_bytes())["status"]
    run.catch_up()
    run.end(status)
    worker.say({"run_id": run.id, "experiment_id": run.experiment})


class _Run:
    """One MLflow run, created or found again."""

    def __init__(self, order: Mapping[str, Any]) -> None:
        import mlflow

        self.order, self.state = order, Path(order["folder"]) / _STATE
        home = Home(Path(order["home"]))
        mlflow.set_tracking_uri(store(home))
        self.client = mlflow.MlflowClient()
        home.mlflow.mkdir(parents=True, exist_ok=True)
        with home.lock("mlflow"):  # two that make the database at once would spoil it
            self.experiment = self._experiment()
        self.id = self._again() or self._new()
        self.logged = self._steps()

    def _experiment(self) -> str:
        name = self.order["experiment"]
        if found := self.client.get_experiment_by_name(name):
            for key in KIND.keys() - found.tags.keys():
                self.client.set_experiment_tag(found.experiment_id, key, KIND[key])
            return str(found.experiment_id)
        return str(self.client.create_experiment(name, artifact_location=self.order["artifacts"], tags=KIND))

    def _again(self) -> str | None:
        """The run of this very work that a kill has left; running once more."""
        from mlflow.exceptions import MlflowException

        try:
            id = str(orjson.loads(self.state.read_bytes())["run_id"])
            self.client.update_run(id, status="RUNNING")
        except (OSError, orjson.JSONDecodeError, KeyError, MlflowException):
            return None
        return id

    def _new(self) -> str:
        name = self.order["experiment"]
        tags = {"ponens.key": self.order["key"], "ponens.adapter": name}
        tags |= {"mlflow.note.content": f"[{name} in ponens view]({address.url()}/adapters/{name})"}
        run = self.client.create_run(self.experiment, run_name=self.order["run_name"], tags=tags)
        id = str(run.info.run_id)
        write_json(self.state, {"run_id": id})
        self._describe(id)
        return id

    def _describe(self, id: str) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag, Param

        given = {name: str(value)[:_LONGEST] for name, value in self.order["params"].items() if value is not None}
        self.client.log_batch(id, params=[Param(name, value) for name, value in given.items()])
        if recipe := self.order["recipe"]:
            self.client.log_dict(id, recipe, "recipe.json")
        data = self.order["dataset"]
        dataset = Dataset(
            name=data["name"],
            digest=data["digest"][:16],
            source_type="local",
            source=orjson.dumps({"uri": data["path"]}).decode(),
            profile=orjson.dumps({"num_rows": data["rows"]}).decode(),
        )
        self.client.log_inputs(id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])

    def _steps(self) -> set[tuple[str, int]]:
        names = self.client.get_run(self.id).data.metrics
        return {(name, m.step) for name in names for m in self.client.get_metric_history(self.id, name)}

    def catch_up(self) -> None:
        """Log what the history holds and the run does not."""
        from mlflow.entities import Metric, Param

        try:
            history = orjson.loads(Path(self.order["history"]).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return
        now = round(time.time() * 1000)
        new = [
            Metric(name, float(value), now, row["step"])
            for row in history["rows"]
            for name, value in row.items()
            if name != "step" and (name, row["step"]) not in self.logged
        ]
        if not self.logged and history.get("parameters"):
            share = history["trainable"] / history["parameters"]
            sizes = {"trainable_parameters": history["trainable"], "trainable_share": f"{share:.6f}"}
            self.client.log_batch(self.id, params=[Param(name, str(value)) for name, value in sizes.items()])
        for start in range(0, len(new), 1000):  # as many as MLflow takes at once
            self.client.log_batch(self.id, metrics=new[start : start + 1000])
        self.logged |= {(metric.key, metric.step) for metric in new}

    def end(self, status: str) -> None:
        """The model and the last word on the run."""
        adapter = AdapterFolder(Path(self.order["adapter"]))
        try:
            if status == "FINISHED" and adapter.is_peft:
                self._model(adapter)
        finally:
            self.client.set_terminated(self.id, status)

    def _model(self, adapter: AdapterFolder) -> None:
        from importlib.metadata import version

        import mlflow
        from mlflow.models import ModelSignature
        from mlflow.types.schema import AnyType, ColSpec, ParamSchema, ParamSpec, Schema

        files = Path(self.order["folder"]) / MODEL
        shutil.rmtree(files, ignore_errors=True)
        files.mkdir()
        for name in (*KEPT, ABOUT):
            if (adapter.path / name).exists():
                shutil.copyfile(adapter.path / name, files / name)
        about = adapter.about
        defaults = about["inference"]
        params = {"temperature": "double", "top_p": "double", "max_new_tokens": "long", "seed": "long"}
        signature = ModelSignature(
            inputs=Schema([ColSpec(AnyType())]),  # a question, or a conversation
            outputs=Schema([ColSpec("string")]),
            params=ParamSchema([ParamSpec(name, kind, defaults[name]) for name, kind in params.items()]),
        )
        base = {name: about.get(name) for name in ("base_model", "revision", "base_identity")}
        with mlflow.start_run(run_id=self.id):
            mlflow.pyfunc.log_model(
                name=MODEL,
                python_model=str(Path(__file__).with_name("pyfunc.py")),
                artifacts={MODEL: str(files)},
                signature=signature,
                model_config={**base, "base_folder": self.order["base_folder"], "question": defaults["question"]},
                pip_requirements=[f"{name}=={version(name)}" for name in _REQUIRED],
                metadata={"adapter": self.order["experiment"], "snapshot": self.order["dataset"]["digest"], **base},
            )


def _give_up() -> None:
    time.sleep(_PATIENCE_S)
    worker.say(
        {"error": {"thing": "MLflow did not end in time", "seen": f"{_PATIENCE_S} s", "expected": "", "hint": ""}}
    )
    os._exit(1)


if __name__ == "__main__":
    sys.exit(worker.work(follow, Path(sys.argv[1])))
