"""Steps keyed by content: run what is new, find what is done.

A verb's module builds a `Step` from its spec and the receipts before it; `run_step` does the work
or finds it done; `tasks.runtime.forecast` says which of the two it would be, without doing anything. The key
names what shapes the result and nothing else: the step's name, settings, input digests, and the code
and data files that it declares (`tasks.runtime.code_key`), so it holds across runs, processes and machines that
share a home.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import orjson

from storage import shared_store, warehouse
from storage.artifacts import publish, read_manifest, whole, write_json
from storage.devices import Devices, held
from storage.home import Home
from storage.named_locks import Waits, silent
from storage.records import PonensError, Receipt, digest
from tasks.runtime.cluster import Cluster
from tasks.runtime.code_key import code_version
from tasks.runtime.pages import Pages

log = logging.getLogger("ponens")
Facts = dict[str, Any]
_ABOUT = ("step", "key", "ingredients", "facts", "seconds", "made_at")


@dataclass(frozen=True, slots=True)
class Tick:
    """Progress of a long step: `done` of `total` units, and a word such as a loss or a cost."""

    done: int
    total: int | None
    unit: str
    note: str = ""


Progress = Callable[[Tick], None]
Secret = Callable[[str], str | None]
_UNNAMED = partial(held, who="another step")


@dataclass(frozen=True, slots=True)
class Workshop:
    """What a step's work is given: its folder (kept over a kill), the home, where to tell progress, how to get a key.

    `secret` maps the name of an environment variable to a key, wherever that is kept. `devices` holds GPUs for as
    long as the work needs them. With a `cluster`, work in shares is done there, with the same result.
    """

    folder: Path
    home: Home
    progress: Progress
    secret: Secret = os.environ.get
    devices: Devices = _UNNAMED
    cluster: Cluster | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a step's work returns: counts for people and, if files' bytes are not the identity, a digest."""

    facts: Facts
    identity: str | None = None


@dataclass(frozen=True)
class Step:
    """One verb, ready to run.

    `settings` are what of the spec shapes the result. `inputs` maps a name to a content digest, None
    where the step before it has yet to run. `code` are the modules that do the work, children started by
    name among them: they and whatever they import of the house are part of the key, but for plumbing and
    what `apart` names (`tasks.runtime.code_key`). `work` fills `Workshop.folder`; what stands there when it returns is
    published on `shelf`. `tables` maps a table of the warehouse to the parquet file in the artifact that
    fills it. `pages` are notes for people beside the artifact, no part of it. `admit` surrounds the
    publishing of what the work came to, and each time that it is found again: it may raise to refuse these
    facts, or take note of them.
    """

    name: str
    code: tuple[str, ...]
    settings: Mapping[str, Any]
    inputs: Mapping[str, str | None]
    work: Callable[[Workshop], Result]
    shelf: str
    numbered: bool = False
    tables: Mapping[str, str] = field(default_factory=dict)
    apart: tuple[str, ...] = ()
    pages: Pages | None = None
    admit: Callable[[Home, Mapping[str, Any]], AbstractContextManager[object]] = lambda home, facts: nullcontext()

    @property
    def ingredients(self) -> dict[str, Any]:
        return {
            "settings": dict(self.settings),
            "inputs": dict(self.inputs),
            "code": code_version(self.code, self.apart),
        }

    @property
    def key(self) -> str | None:
        """64 hex digits, or None while an input is still unknown."""
        if None in self.inputs.values():
            return None
        return digest({"step": self.name, **self.ingredients})


def run_step(
    step: Step,
    home: Home,
    *,
    refresh: bool = False,
    progress: Progress = lambda tick: None,
    secret: Secret = os.environ.get,
    cluster: Cluster | None = None,
    who: str = "another run",
    waits: Waits = silent,
    known: warehouse.Known = frozenset(),
) -> tuple[Receipt, Literal["ran", "cached"]]:
    """The step's receipt, from the home if it is there and its artifact whole, else from a shared store or its work.

    Two processes that want the same step take turns: the second finds it done. `waits` hears for whom this one
    waits, for the step or for a GPU, and `who` is what others hear of it. For what is `known` the warehouse is not
    opened. Whatever the work raises passes through, and its folder stays for the next try.
    """
    if (key := step.key) is None:
        raise ValueError(f"step {step.name} has inputs that are not made yet: {step.inputs}")
    store = shared_store.chosen()
    with home.lock(f"{step.name}-{key[:16]}", who, lambda by: waits(by and f"this very step is under way in {by}")):
        found = None if refresh else find(step, home) or adopt(step, home)
        if found:
            os.utime(home.root / found.artifact)  # what is used is not old: `ponens gc` goes by this
            with step.admit(home, found.facts):
                warehouse.register(home, found, step.tables, known)
            _note(step, home, found)
            if store:
                store.offer(home, found)
            return found, "cached"
        folder = home.work(step.name, key)
        if refresh:
            shutil.rmtree(folder, ignore_errors=True)
        there = store.fetch(step.name, key, folder) if store and not refresh else None
        about: Facts
        identity: str | None
        if there:
            about, identity = {name: getattr(there, name) for name in _ABOUT}, there.digest
        else:
            about, identity = _worked(
                step, Workshop(folder, home, progress, secret, partial(held, who=who, waits=waits), cluster)
            )
        with step.admit(home, about["facts"]):
            published = publish(
                folder,
                step.shelf,
                home,
                identity=identity,
                numbered=step.numbered,
                least=_least(step, there),
                about=about,
            )
            receipt = Receipt(digest=published.digest, artifact=published.artifact, **about)
            os.utime(home.root / receipt.artifact)  # it may have been there before
            write_json(home.receipt(step.name, key), receipt.dict())
            warehouse.register(home, receipt, step.tables)
        _note(step, home, receipt)
        if store:
            store.offer(home, receipt)
        return receipt, "cached" if there else "ran"


def _note(step: Step, home: Home, receipt: Receipt) -> None:
    if step.pages:
        step.pages.bring_up_to_date(home.root / receipt.artifact, receipt)


def _worked(step: Step, shop: Workshop) -> tuple[Facts, str | None]:
    """Do the work; what there is to say of it, and its identity where that is not its files' bytes."""
    shop.folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    result = step.work(shop)
    about: Facts = {
        "step": step.name,
        "key": step.key,
        "ingredients": step.ingredients,
        "facts": result.facts,
        "seconds": round(time.monotonic() - start, 3),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return about, result.identity


def _least(step: Step, there: Receipt | None) -> int:
    """The number that another home has given a numbered artifact: later steps' facts name it so."""
    return int(Path(there.artifact).name) if there and step.numbered else 1


def find(step: Step, home: Home) -> Receipt | None:
    """The receipt of this very work, if its artifact is still whole."""
    receipt = remembered(step, home)
    return receipt if receipt and whole(home.root / receipt.artifact) else None


def adopt(step: Step, home: Home) -> Receipt | None:
    """A numbered artifact of this very work that a kill parted from its receipt; the receipt is written now."""
    receipt = orphan(step, home)
    if receipt:
        write_json(home.receipt(step.name, receipt.key), receipt.dict())
    return receipt


def orphan(step: Step, home: Home) -> Receipt | None:
    """What `adopt` would take in; nothing is written."""
    if not step.numbered:
        return None  # a shelf named by content takes the same artifact in again
    known = remembered(step, home)
    oldest = int(Path(known.artifact).name) if known else 0  # the receipt's own artifact, if it is gone, stays gone
    folders = [p for p in (home.root / step.shelf).glob("*") if p.name.isdigit() and int(p.name) > oldest]
    for folder in sorted(folders, key=lambda p: int(p.name), reverse=True):
        try:
            manifest = read_manifest(folder)
        except PonensError:
            continue
        if manifest.get("key") == step.key and whole(folder):
            place = str(folder.relative_to(home.root))
            return Receipt(artifact=place, **{name: manifest[name] for name in (*_ABOUT, "digest")})
    return None


def remembered(step: Step, home: Home) -> Receipt | None:
    """The receipt of this very work, even if its artifact is gone. The step's key must be known."""
    try:
        return Receipt(**orjson.loads(home.receipt(step.name, str(step.key)).read_bytes()))
    except (OSError, orjson.JSONDecodeError, TypeError):
        return None


def of(receipt: Receipt) -> str | None:
    """A receipt's digest as an input, None if the step has yet to run."""
    return receipt.digest or None
