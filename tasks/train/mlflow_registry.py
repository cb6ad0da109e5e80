"""What MLflow is told of trained adapters: `python -m tasks.train.mlflow_registry HOME NAME`.

    the home's versions, aliases, newest evaluations ──▶ the training's run: verdict, accuracies, report
                                                         registered model NAME: a version each, aliases

All of it follows from the home, so that telling it again changes nothing. A version of the registered model has the
adapter's name, NAME/N, as tag `ponens.adapter`; MLflow counts versions by itself and skips none that was removed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from storage import remote
from storage.adapters import aliases, registry
from storage.adapters import versions as adapters
from storage.adapters.folder import AdapterFolder
from storage.browse import address
from storage.home import Home
from tasks.runtime import worker
from tasks.train.tracking import store

ADAPTER = "ponens.adapter"
KIND = {"mlflow.experimentKind": "custom_model_development"}  # opens on runs, not on traces


def tell(root: Path, name: str) -> None:
    """Bring MLflow up to date with the adapters of this name that were tracked there; says how many versions it has."""
    os.nice(10)
    home = Home(root)
    tracked = dict(_tracked(home, name))
    if tracked:
        with home.lock("mlflow"):
            worker.say({"versions": len(_Told(home, name, tracked).bring())})
    else:
        worker.say({"versions": 0})


def _tracked(home: Home, name: str) -> Iterator[tuple[int, str]]:
    """The versions whose training is a run of the store that is in use now, and that run's id."""
    here = remote.public(store(home))
    for number in adapters.versions(home, name):
        run = adapters.about(adapters.resolve(home, f"{name}/{number}")).get("mlflow") or {}
        if run.get("uri") == here:
            yield number, str(run["run_id"])


class _Told:
    """One name: its registered model, and the runs of its versions."""

    def __init__(self, home: Home, name: str, tracked: Mapping[int, str]) -> None:
        import mlflow

        mlflow.set_tracking_uri(store(home))
        self.home, self.name, self.tracked = home, name, tracked
        self.client = mlflow.MlflowClient()
        self.evaluations = registry.evaluations(home)

    def bring(self) -> dict[int, str]:
        """MLflow's version of each of ours."""
        for number, run in self.tracked.items():
            self._judge(run, f"{self.name}/{number}")
        versions = self._versions()
        if versions:
            self._alias(versions)
        return versions

    def _judge(self, run: str, reference: str) -> None:
        found = self.evaluations.get(reference)
        there = self.client.get_run(run).data
        page = f"{address.url()}/adapters/{reference}"
        tags = {ADAPTER: reference, **(_words(found) if found else {})}
        if found and (report := _report(self.home, str(found["artifact"]))):
            tags["ponens.report"] = str(report)
        word = f": **{tags['ponens.verdict']}**, {tags['ponens.why']}" if "ponens.why" in tags else ""
        tags["mlflow.note.content"] = f"[{reference} in ponens view]({page}){word}"
        for key, value in tags.items():
            if there.tags.get(key) != value:
                self.client.set_tag(run, key, value)
        for key, number in (_figures(found) if found else {}).items():
            if there.metrics.get(key) != number:
                self.client.log_metric(run, key, number)

    def _versions(self) -> dict[int, str]:
        """A version of the registered model for each of ours; those of adapters that were removed go."""
        import mlflow

        there = {v.tags.get(ADAPTER): str(v.version) for v in self.client.search_model_versions(f"name='{self.name}'")}
        found = dict[int, str]()
        for number, run in self.tracked.items():
            reference = f"{self.name}/{number}"
            if AdapterFolder(adapters.resolve(self.home, reference).folder).is_peft:  # else no model was logged
                found[number] = there.get(reference) or str(
                    mlflow.register_model(f"runs:/{run}/adapter", self.name, tags={ADAPTER: reference}).version
                )
        for reference, version in there.items():
            if reference and version not in found.values():
                self.client.delete_model_version(self.name, version)
        return found

    def _alias(self, versions: Mapping[int, str]) -> None:
        """Aliases as they stand in the home; MLflow's own names, such as v1, it refuses, and they are left out."""
        from mlflow.exceptions import MlflowException

        wanted = {a: versions[n] for a, n in aliases.current(self.home, self.name).items() if n in versions}
        there = {a: str(v) for a, v in self.client.get_registered_model(self.name).aliases.items()}
        for alias in there.keys() - wanted.keys():
            self.client.delete_registered_model_alias(self.name, alias)
        for alias, version in wanted.items():
            if there.get(alias) != version:
                try:
                    self.client.set_registered_model_alias(self.name, alias, version)
                except MlflowException as error:
                    worker.say({"warning": f"MLflow does not take the alias {alias}: {error.message}"})


def _words(found: Mapping[str, Any]) -> dict[str, str]:
    paired = found.get("paired") or {}
    told = {"ponens.verdict": paired.get("verdict"), "ponens.why": paired.get("reason")}
    return {key: str(value) for key, value in told.items() if value}


def _figures(found: Mapping[str, Any]) -> dict[str, float]:
    """Accuracies and the difference with their 95 % intervals, p, and the counts they are of."""
    told = dict[str, Any]()
    for prefix, side in (("", found.get("adapter") or {}), ("base_", found.get("base") or {})):
        told |= _interval(f"{prefix}accuracy", side.get("accuracy"), side.get("ci95"))
        told[f"{prefix}unreadable"] = side.get("unreadable")
    paired = found.get("paired") or {}
    told |= _interval("accuracy_difference", paired.get("difference"), paired.get("ci95"))
    told |= {name: paired.get(name) for name in ("mcnemar_p", "fixed", "broken")} | {"questions": found["questions"]}
    return {name: float(value) for name, value in told.items() if value is not None}


def _interval(name: str, value: float | None, ci95: Any) -> dict[str, Any]:
    low, high = ci95 or (None, None)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _report(home: Home, evaluation: str) -> Path | None:
    """The newest report on an evaluation, by its place in the home."""
    digests = {r.get("digest") for r in _receipts(home, "evaluate") if r.get("artifact") == evaluation}
    about = [
        r for r in _receipts(home, "report") if r.get("ingredients", {}).get("inputs", {}).get("evaluate") in digests
    ]
    newest = max(about, key=lambda r: str(r.get("made_at")), default=None)
    return home.root / newest["artifact"] / "report.html" if newest else None


def _receipts(home: Home, step: str) -> Iterator[dict[str, Any]]:
    for file in (home.root / "receipts" / step).glob("*.json"):
        try:
            yield orjson.loads(file.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            continue


if __name__ == "__main__":
    sys.exit(worker.work(lambda path: tell(path, sys.argv[2]), Path(sys.argv[1])))
