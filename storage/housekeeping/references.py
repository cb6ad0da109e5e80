"""Who refers to what in a home: adapters, reports, runs and lineages to artifacts, and these to what they were made of.

    graph = Graph(home)
    graph.kept()        artifacts that something refers to, by their places below the home

Read from manifests and receipts alone. An artifact keeps what it was made of; an adapter also keeps what was
found out about it, such as its evaluation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from storage import runs
from storage.adapters.folder import ABOUT
from storage.artifacts import MANIFEST
from storage.home import Home
from storage.tables import lineage

REPORTS, SNAPSHOTS = "artifacts/reports", "artifacts/snapshots"


@dataclass(frozen=True, slots=True)
class Noted:
    """A receipt, as far as it refers to something; `path` is its own place. `artifact` is empty in a damaged one."""

    path: str
    step: str
    key: str
    artifact: str
    digest: str
    inputs: frozenset[str]
    dangling: bool

    @property
    def lock(self) -> str:
        """The lock that whoever does this step holds."""
        return f"{self.step}-{self.key[:16]}"


class Graph:
    """The references of a home as they are now."""

    def __init__(self, home: Home) -> None:
        self._home = home
        root = home.root
        self.artifacts = [str(p.relative_to(root)) for p in sorted(root.glob("artifacts/*/*")) if p.is_dir()]
        self.adapters = [str(p.parent.relative_to(root)) for p in sorted(root.glob(f"adapters/*/*/{MANIFEST}"))]
        self.receipts = [_noted(root, path) for path in sorted(root.glob("receipts/*/*.json"))]
        self._naming: dict[str, list[Noted]] = defaultdict(list)
        self._made_of: dict[str, set[str]] = defaultdict(set)
        self._places: dict[str, set[str]] = defaultdict(set)
        for receipt in self.receipts:
            self._naming[receipt.artifact].append(receipt)
            self._note(receipt.artifact, receipt.digest, receipt.inputs)
        for place in (*self.artifacts, *self.adapters):
            manifest = _read(root / place / MANIFEST)
            self._note(place, str(manifest.get("digest")), _inputs(manifest))
        for place in self.adapters:
            self._made_of[place].add(str(_read(root / place / ABOUT).get("snapshot")))
        self._weights = {digest for digest, places in self._places.items() if places & set(self.adapters)}
        done = {(step["name"], step["key"]) for run in runs.runs(home) for step in run.outcome.get("steps", [])}
        self._of_runs = {receipt for receipt in self.receipts if (receipt.step, receipt.key) in done}

    def receipts_of(self, place: str) -> list[Noted]:
        """The receipts that name this artifact."""
        return self._naming.get(place, [])

    def spoken_for(self, receipt: Noted) -> bool:
        """Whether a run refers to this receipt, or it says something of an adapter that is there."""
        return receipt in self._of_runs or bool(receipt.inputs & self._weights)

    def kept(self) -> set[str]:
        """The places of all artifacts and adapters that can be reached from what people hold on to."""
        found: set[str] = set()
        queue = list(self._roots())
        while queue:
            if (place := queue.pop()) not in found:
                found.add(place)
                queue += (other for digest in self._made_of[place] for other in self._places[digest])
        return found

    def _roots(self) -> Iterator[str]:
        yield from self.adapters
        yield from (place for place in self.artifacts if place.startswith(f"{REPORTS}/"))
        yield from (receipt.artifact for receipt in self._of_runs)
        newest = {entry.recipe: entry.snapshot for entry in lineage.history(self._home)}
        yield from (f"{SNAPSHOTS}/{snapshot}" for snapshot in newest.values())
        yield from (place for place in self.artifacts if self._made_of[place] & self._weights)

    def _note(self, place: str, digest: str, inputs: frozenset[str]) -> None:
        self._places[digest].add(place)
        self._made_of[place] |= inputs


def _noted(root: Path, path: Path) -> Noted:
    found = _read(path)
    artifact = str(found.get("artifact") or "")
    return Noted(
        str(path.relative_to(root)),
        path.parent.name,
        path.stem,
        artifact,
        str(found.get("digest")),
        _inputs(found),
        bool(artifact) and not (root / artifact / MANIFEST).exists(),
    )


def _inputs(found: Mapping[str, Any]) -> frozenset[str]:
    ingredients = found.get("ingredients") or {}
    return frozenset(str(digest) for digest in (ingredients.get("inputs") or {}).values())


def _read(file: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
