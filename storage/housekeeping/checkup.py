"""What is wrong with a home, each finding with the next step. Changes nothing.

examine(home)               warehouse, receipts, aliases, work, locks, MLflow's store
examine(home, deep=True)    also every artifact, byte for byte
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from storage import runs
from storage.adapters import aliases
from storage.adapters import versions as adapters
from storage.artifacts import read_manifest, whole
from storage.home import Home
from storage.housekeeping.garbage import held
from storage.housekeeping.references import Graph
from storage.records import PonensError

_TOLD = 3  # names that a finding lists


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was found and, where something is missing or could be better, the next step."""

    name: str
    ok: bool
    found: str
    mend: str = ""

    def dict(self) -> dict[str, Any]:
        return asdict(self)


def examine(home: Home, *, deep: bool = False) -> list[Finding]:
    """The findings on one home; none for a home that is not there yet."""
    if not home.root.is_dir():
        return []
    graph = Graph(home)
    found = [_warehouse(home), _receipts(home, graph), _artifacts(home, graph, deep)]
    return [*found, *_aliases(home), *_unfinished(home), *_locks(home), *_mlflow(home)]


def _warehouse(home: Home) -> Finding:
    from storage import warehouse  # DuckDB: the command line reads this file before any command

    if not home.warehouse.exists():
        return Finding("warehouse", True, "none yet", "a run of a recipe makes it")
    try:
        with warehouse.connect(home, read_only=True, wait_s=5) as con:
            done = con.execute("select coalesce(max(number), 0) from migrations").fetchall()[0][0]
    except PonensError as error:
        busy = "was in use" in error.thing
        return Finding(
            "warehouse", busy, "in use by another process" if busy else f"{error.thing}: {error.seen}", error.hint
        )
    newest = max(int(path.name.split("_")[0]) for path in warehouse.MIGRATIONS.glob("*.sql"))
    later = "" if done == newest else f"the next run brings it to schema {newest}"
    return Finding("warehouse", True, f"schema {done}, {home.warehouse.stat().st_size / 1e6:,.1f} MB", later)


def _receipts(home: Home, graph: Graph) -> Finding:
    torn = [receipt.path for receipt in graph.receipts if not receipt.artifact]
    if torn:
        return Finding(
            "receipts",
            False,
            f"{len(torn)} cannot be read: {_names(torn)}",
            "delete them: the next run of their recipe writes them anew",
        )
    gone = sum(receipt.dangling for receipt in graph.receipts)
    said = f"{len(graph.receipts)}, all readable"
    if gone:
        return Finding(
            "receipts",
            True,
            f"{said}; the artifacts of {gone} are gone",
            "their recipe makes them again; `ponens gc` removes receipts that nothing refers to",
        )
    return Finding("receipts", True, said)


def _artifacts(home: Home, graph: Graph, deep: bool) -> Finding:
    places = [*graph.artifacts, *graph.adapters]
    sound = whole if deep else _has_manifest
    torn = [place for place in places if not sound(home.root / place)]
    if not torn:
        if deep:
            return Finding("artifacts", True, f"{len(places)}, whole, byte for byte")
        return Finding("artifacts", True, f"{len(places)}, with manifests", "`ponens doctor --deep` reads every byte")
    weights = [place.removeprefix("adapters/") for place in torn if place.startswith("adapters/")]
    mend = "run their recipe again: a damaged artifact is made anew"
    if weights:
        mend += f"; take {_names(weights)} from a backup, or `ponens adapters rm` it and train again"
    return Finding("artifacts", False, f"{len(torn)} of {len(places)} are damaged: {_names(torn)}", mend)


def _has_manifest(place: Path) -> bool:
    try:
        return "digest" in read_manifest(place)
    except PonensError:
        return False


def _aliases(home: Home) -> Iterator[Finding]:
    for folder in sorted(home.adapters.glob(f"*/{aliases.FILE}")):
        name = folder.parent.name
        try:
            pointing = aliases.current(home, name)
        except PonensError as error:
            yield Finding("aliases", False, f"{name}: {error.seen}", error.hint)
            continue
        there = adapters.versions(home, name)
        for alias, number in pointing.items():
            if number not in there:
                yield Finding(
                    "aliases",
                    False,
                    f"{name}@{alias} points at {name}/{number}, which is gone",
                    f"`ponens adapters alias {name}/{there[-1] if there else 'N'} {alias}`",
                )


def _unfinished(home: Home) -> Iterator[Finding]:
    work = [path.name for path in sorted((home.root / "work").glob("*-*")) if not held(home, path.name)]
    if work:
        yield Finding(
            "work",
            True,
            f"{len(work)} steps stopped half way: {_names(work)}",
            "the same command goes on from there; `ponens gc` removes what is old",
        )
    active = runs.under_way(home)
    killed = [
        path.parent.name
        for path in sorted(home.root.glob("runs/*/recipe.json"))
        if not (path.parent / "outcome.json").exists() and path.parent.name not in active
    ]
    if killed:
        yield Finding(
            "runs",
            True,
            f"{len(killed)} were killed: {_names(killed)}",
            "`ponens run` with their recipe goes on: runs/ID/recipe.json holds it",
        )
    trash = list(home.root.glob("trash-*"))
    if trash:
        yield Finding("trash", True, f"{len(trash)} removals were killed half way", "`ponens gc` ends them")


def _locks(home: Home) -> Iterator[Finding]:
    holders = _holders()
    for file in sorted((home.root / "locks").glob("*.lock")):
        if held(home, file.stem):
            stat = file.stat()
            who = holders.get((stat.st_dev, stat.st_ino))
            yield Finding(
                "lock",
                True,
                f"{file.stem} is held by " + (f"process {who}" if who else "another process"),
                "it is let go when that process ends",
            )


def _holders() -> dict[tuple[int, int], int]:
    """Which process holds the lock of which file, by device and inode, where the kernel says so."""
    found = {}
    with suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if "FLOCK" in words and "->" not in words:
                process, place = words[4:6]
                major, minor, inode = place.split(":")
                found[os.makedev(int(major, 16), int(minor, 16)), int(inode)] = int(process)
    return found


def _mlflow(home: Home) -> Iterator[Finding]:
    database = home.mlflow / "mlflow.db"
    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as con:
            said = str(con.execute("pragma quick_check(1)").fetchone()[0])
            count = con.execute("select count(*) from runs").fetchone()[0] if said == "ok" else 0
    except sqlite3.Error as error:
        said, count = str(error), 0
    mend = f"move {database} away: the next training starts a new one, and no adapter depends on it"
    yield Finding(
        "mlflow", said == "ok", f"{count} runs" if said == "ok" else f"{database}: {said}", "" if said == "ok" else mend
    )


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more
