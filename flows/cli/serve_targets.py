"""What a server is to serve: which adapters of which home, over which base; and where servers of a home are."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from flows import recipe as recipes
from flows.bases import local
from storage.adapters import versions as adapters
from storage.adapters.versions import Adapter
from storage.artifacts import write_json
from storage.home import Home
from storage.records import PonensError, UsageError
from tasks.models import base_models
from tasks.serve.spec import ServeSpec


@dataclass(frozen=True, slots=True)
class Offer:
    """What is to be served: adapters by name, of one home and one base model."""

    home: Home
    names: tuple[str, ...]
    base_model: str
    revision: str | None
    spec: ServeSpec


def offer(targets: Sequence[str], changes: Sequence[str], recipe: Path | None) -> Offer:
    """What these recipes and names mean. UsageError if they are of several homes or base models, or unknown."""
    found = [_of_recipe(Path(t), changes) if _is_recipe(t) else _of_name(t, changes, recipe) for t in targets]
    for one in found[1:]:
        for what in ("home", "base_model", "revision", "spec"):
            if getattr(one, what) != getattr(found[0], what):
                seen = f"{getattr(found[0], what)} and {getattr(one, what)}"
                raise UsageError(f"one server has one {what.replace('_', ' ')}", seen=seen, hint="start another server")
    names = tuple(dict.fromkeys(name for one in found for name in one.names))
    return Offer(found[0].home, names, found[0].base_model, found[0].revision, found[0].spec)


def key(name: str | None) -> str | None:
    """The key in the environment. UsageError if the variable is named and holds none."""
    if name is None:
        return None
    if not (found := os.environ.get(name, "").strip()):
        raise UsageError(f"the environment variable {name} holds no key", hint=f"export {name}=…")
    return found


def running(home: Home) -> Iterator[dict[str, Any]]:
    """The servers of a home that its notes tell of, and whose process lives."""
    for note in sorted((home.root / "servers").glob("*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError):
            found: dict[str, Any] = orjson.loads(note.read_bytes())
            os.kill(found["pid"], 0)
            yield found


@contextlib.contextmanager
def noted(found: Offer, url: str) -> Iterator[None]:
    """A note in the home of where the server is, for `ponens ask`; gone with it."""
    note = found.home.root / "servers" / f"{os.getpid()}.json"
    write_json(note, {"url": url, "pid": os.getpid(), "names": found.names, "base_model": found.base_model})
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def _is_recipe(target: str) -> bool:
    return target.endswith((".toml", ".json"))


def _of_recipe(path: Path, changes: Sequence[str]) -> Offer:
    chosen = recipes.load(path, list(changes))
    if chosen.base is None:
        raise UsageError(
            f"{path} names no base model",
            expected="[train] base_model, or [evaluate] base_model",
            hint="ponens serve NAME serves the adapters of that name over the base they were trained on",
        )
    home = Home.beside(path)
    base = local(chosen, home.root).base or chosen.base
    return Offer(home, (chosen.name,), base.base_model, base.revision, chosen.serve)


def _of_name(name: str, changes: Sequence[str], recipe: Path | None) -> Offer:
    home = Home.beside(recipe)
    if "/" in name or "@" in name:
        raise UsageError(
            "a server has all versions of an adapter", seen=name, expected=name.replace("@", "/").split("/")[0]
        )
    newest = adapters.resolve(home, f"{name}@latest")
    about = _told(newest)
    base = str(about["base_model"])
    if recipe:
        return Offer(home, (name,), base, about.get("revision"), recipes.load(recipe, list(changes)).serve)
    return Offer(home, (name,), base, about.get("revision"), recipes.section(ServeSpec, "serve", changes))


def _told(version: Adapter) -> dict[str, Any]:
    about = adapters.about(version)
    if not about.get("base_model"):
        raise PonensError(f"adapter {version} does not say its base model", hint="serve its recipe instead")
    base_models.folder(str(about["base_model"]))
    return about
