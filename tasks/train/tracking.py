"""Tracking a training as its user has chosen: `[train] report_to`.

    check(["mlflow", "wandb"])                       before anything is loaded
    with following(["mlflow"], order, shop): ...     MLflow follows in a process of its own

W&B and TensorBoard are transformers' own callbacks, in the training's process. MLflow, whose import and first
start take seconds, reads the history that training writes, so that no server, broken or slow, can hold a training up.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from storage.adapters import versions as adapters
from storage.artifacts import write_json
from storage.home import Home
from storage.records import PonensError, UsageError
from tasks.runtime import process

log = logging.getLogger("ponens")
Tracker = Literal["mlflow", "wandb", "tensorboard", "none"]
LIBRARIES = {"mlflow": ("mlflow",), "wandb": ("wandb",), "tensorboard": ("tensorboard", "tensorboardX")}
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
ORDER, ENDED = "order.json", "ended.json"


def check(report_to: Sequence[str]) -> None:
    """UsageError if a tracker's library is not installed."""
    for name in report_to:
        libraries = LIBRARIES.get(name, ())
        if libraries and not any(importlib.util.find_spec(library) for library in libraries):
            raise UsageError(
                f"[train] report_to names {name!r}, which is not installed",
                seen=", ".join(report_to),
                expected=f"{' or '.join(libraries)} in this environment",
                hint=f"pip install {libraries[0]}, or take it out of report_to",
            )


def store(home: Home) -> str:
    """Where MLflow keeps runs: MLFLOW_TRACKING_URI, or a SQLite file of the home."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home.mlflow / 'mlflow.db'}"


def surroundings(home: Home, name: str, key: str) -> dict[str, str]:
    """What W&B and TensorBoard are told by the environment, where the user has not: all of it lies in the home."""
    settings = {
        "TENSORBOARD_LOGGING_DIR": str(home.root / "tensorboard" / f"{name}-{key[:8]}"),
        "WANDB_DIR": str(home.root),
        "WANDB_PROJECT": name,
        "WANDB_RUN_ID": f"{name}-{key[:16]}",
        "WANDB_RESUME": "allow",
    }
    return {variable: value for variable, value in settings.items() if variable not in os.environ}


@contextmanager
def following(report_to: Sequence[str], order: Mapping[str, Any], folder: Path, home: Home) -> Iterator[dict[str, Any]]:
    """Let MLflow follow what the block trains; gives what it says of the run, whole once the block is left.

    `order` is what `tasks.train.mlflow_run` reads, `folder` where it is kept over a kill. Whatever becomes of the
    tracking is a warning: the training goes on.
    """
    told: dict[str, Any] = {}
    if "mlflow" not in report_to:
        yield told
        return
    (folder / ENDED).unlink(missing_ok=True)
    local = {"artifacts": None if os.environ.get("MLFLOW_TRACKING_URI") else str(home.mlflow / "artifacts")}
    write_json(folder / ORDER, {**order, **local, "home": str(home.root), "folder": str(folder)})
    follower = threading.Thread(target=_follow, args=(folder, told), name="mlflow", daemon=True)
    follower.start()

    def end(status: str) -> None:
        with contextlib.suppress(OSError):  # a full disk; the follower then ends with this process
            write_json(folder / ENDED, {"status": status})
            follower.join()
        if trouble := told.pop("trouble", None):
            log.warning("train: MLflow does not hold this run whole: %s", trouble)

    try:
        yield told  # a cancellation or Ctrl-C waits for nobody: the run in MLflow goes on when the training does
    except Exception:
        end("FAILED")
        raise
    end("FINISHED")


def registered(home: Home, name: str) -> list[str]:
    """Tell MLflow of the verdicts, versions and aliases of adapters of this name; what went wrong, in words.

    Nothing is started where none of them was tracked.
    """
    tracked = False
    with contextlib.suppress(PonensError):
        them = [adapters.resolve(home, f"{name}/{number}") for number in adapters.versions(home, name)]
        tracked = any(adapters.about(one).get("mlflow") for one in them)
    if not tracked or importlib.util.find_spec("mlflow") is None:
        return []
    told: dict[str, Any] = {}
    try:
        home.mlflow.mkdir(parents=True, exist_ok=True)
        process.run(
            [sys.executable, "-m", "tasks.train.mlflow_registry", str(home.root), name],
            log=home.mlflow / "registry.log",
            hear=told.update,
            what="MLflow",
            environment={name: value for name, value in _PATIENCE.items() if name not in os.environ},
        )
    except (PonensError, OSError) as error:
        return [f"MLflow was not told of {name}: {error}"]
    return [str(told["warning"])] if "warning" in told else []


def _follow(folder: Path, told: dict[str, Any]) -> None:
    try:
        process.run(
            [sys.executable, "-m", "tasks.train.mlflow_run", str(folder / ORDER)],
            log=folder / "mlflow.log",
            hear=told.update,
            what="MLflow",
            environment={name: value for name, value in _PATIENCE.items() if name not in os.environ},
        )
    except (PonensError, OSError) as error:
        told["trouble"] = error
