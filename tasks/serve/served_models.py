"""Which models a server has: the base, and the versions and aliases of the adapters it was started for.

    catalogue.find("logic@champion")   the model it means now; Refusal for an unknown or damaged one
    catalogue.take("logic/3")          a folder of its own for the engine, that a removal leaves alone

Aliases are read from the home at each request, so a move is seen by the next one.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from storage.adapters import aliases
from storage.adapters import versions as adapters
from storage.adapters.peft_folder import KEPT
from storage.adapters.versions import Adapter
from storage.artifacts import read_manifest, whole
from storage.home import Home
from storage.records import PonensError, UsageError
from tasks.serve.errors import Refusal
from tasks.serve.model import Base, Model, adapter

BASE = "base"  # what the base answers to beside its own name
_LONGEST = 160  # characters of a model's name
_PATIENCE_S = 5.0  # before a refused adapter is looked at again


class Catalogue:
    """The base and the adapters `names` of a home. `shelf` is a folder of the server's own, in the home."""

    def __init__(
        self, home: Home, names: Sequence[str], base: Base, shelf: Path, *, most_rank: int = 0, merges: bool = False
    ) -> None:
        self.home, self.names, self.base, self.shelf = home, tuple(names), base, shelf
        self.most_rank, self.merges = most_rank, merges
        self._known: dict[str, Model] = {}
        self._refused: dict[str, tuple[float, Refusal]] = {}
        self._taking = threading.Lock()

    def listing(self) -> list[dict[str, Any]]:
        """Every name that can be asked for, as `/v1/models` shows it."""
        found = [_card(self.base.name, None, self.base.name)]
        for name in self.names:
            versions = adapters.versions(self.home, name)
            found += [_card(f"{name}/{number}", self.base.name, f"{name}/{number}") for number in versions]
            pointing = {aliases.LATEST: versions[-1], **aliases.current(self.home, name)} if versions else {}
            found += [
                _card(f"{name}@{alias}", self.base.name, f"{name}/{number}")
                for alias, number in pointing.items()
                if number in versions
            ]
        return found

    def find(self, reference: object) -> Model:
        """What a request's `model` means now. Refusal 400, 404 or 422."""
        if reference in (None, "", BASE, self.base.name):
            return self._base()
        if not isinstance(reference, str):
            raise Refusal(400, "model must be a string", param="model")
        if len(reference) > _LONGEST:
            raise Refusal(400, f"a model's name has at most {_LONGEST} characters", param="model")
        return self._adapter(self._version(reference))

    def take(self, name: str) -> Path:
        """The folder that an engine may load an adapter from: links to its files, each looked at byte for byte.

        Refusal if a file is not as the manifest says. The links outlive a removal of the version.
        """
        place = self.shelf / name
        with self._taking:
            if not place.exists():
                self._lay(self._version(name), place)
        return place

    def _lay(self, version: Adapter, place: Path) -> None:
        aside = place.with_name(f".{place.name}")
        shutil.rmtree(aside, ignore_errors=True)
        try:
            if not whole(version.folder):
                raise self._remember(version, "its files are not those of its manifest")
            aside.mkdir(parents=True)
            for file in read_manifest(version.folder)["files"]:
                if file in KEPT or file.endswith((".safetensors", ".json")):
                    _link(version.folder / file, aside / file)
        except (OSError, PonensError):
            raise _unknown(str(version), self._all()) from None  # removed in this very moment
        aside.rename(place)

    def _base(self) -> Model:
        if self.base.text is not None or not self.names:
            return self.base.model
        return self._borrowing()

    def _borrowing(self) -> Model:
        """A base without a template of its own, asked by the first adapter's: there is no better one."""
        for name in self.names:
            if adapters.versions(self.home, name):
                found = self.find(f"{name}@{aliases.LATEST}")
                own = self.base.model
                return Model(own.name, found.template, defaults=own.defaults, stops=found.stops, marks=found.marks)
        return self.base.model

    def _version(self, reference: str) -> Adapter:
        if reference.replace("@", "/").split("/")[0] not in self.names:
            raise _unknown(reference, self._all())
        try:
            return adapters.resolve(self.home, reference)
        except UsageError:
            raise _unknown(reference, self._all()) from None

    def _adapter(self, version: Adapter) -> Model:
        name = str(version)
        if known := self._known.get(name):
            return known
        at, refusal = self._refused.get(name, (0.0, None))
        if refusal and time.monotonic() - at < _PATIENCE_S:
            raise refusal
        try:
            self._known[name] = adapter(version, self.base, self.most_rank, merges=self.merges)
        except Refusal as refusal:
            self._refused[name] = time.monotonic(), refusal
            raise
        return self._known[name]

    def _remember(self, version: Adapter, reason: str) -> Refusal:
        refusal = Refusal(422, f"adapter {version} cannot be served: {reason}", code="adapter_unusable", param="model")
        self.refuse(str(version), refusal)
        return refusal

    def refuse(self, name: str, refusal: Refusal) -> None:
        """Answer for this version with a refusal, for some seconds, before it is looked at again."""
        self._known.pop(name, None)
        self._refused[name] = time.monotonic(), refusal

    def _all(self) -> list[str]:
        return [card["id"] for card in self.listing()]


def _unknown(reference: str, known: Sequence[str]) -> Refusal:
    shown = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
    said = f"there is no model {reference[:_LONGEST]!r} here; there are {shown}"
    return Refusal(404, said, code="model_not_found", param="model")


def _card(id: str, parent: str | None, root: str) -> dict[str, Any]:
    return {"id": id, "object": "model", "created": 0, "owned_by": "ponens", "root": root, "parent": parent}


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)
