"""What a home's small files say, each read once for as long as it stays as it is.

    Files(home).json(path)            the object in it, or None where there is none
    Files(home).receipts("evaluate")  the receipts of a step, oldest first

Whatever is torn, or was written by a build that wrote it otherwise, is left out here and counted: `Files.broken`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from storage.home import Home
from storage.records import Receipt

Content = Mapping[str, Any]
_MOST = 20_000  # files that are remembered


class Files:
    """JSON files of one home, by path. Safe to use from many threads; what it gives is not to be changed."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._known: dict[str, tuple[tuple[int, int], Content | None]] = {}
        self._lock = threading.Lock()

    def json(self, path: Path | str) -> Content | None:
        """The object that a file holds; None if it is not there, torn, or holds something else."""
        try:
            told = os.stat(path)
        except OSError:
            return None
        stamp, place = (told.st_mtime_ns, told.st_size), str(path)
        with self._lock:
            known = self._known.get(place)
        if known and known[0] == stamp:
            return known[1]
        content = _object(path)
        with self._lock:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[place] = (stamp, content)
        return content

    def receipts(self, step: str) -> list[Receipt]:
        """The receipts of a step that can be read, oldest first."""
        found = [made for path in _names(self.home.root / "receipts" / step, ".json") if (made := self._receipt(path))]
        return sorted(found, key=lambda receipt: str(receipt.made_at))

    def receipt(self, step: str, key: str) -> Receipt | None:
        """The receipt of a step with this key; None if it is not there or cannot be read."""
        return self._receipt(str(self.home.receipt(step, key)))

    def broken(self, step: str) -> int:
        """How many receipts of a step cannot be read."""
        return sum(self._receipt(path) is None for path in _names(self.home.root / "receipts" / step, ".json"))

    def inside(self, place: str) -> Path | None:
        """The folder at a place of the home that a receipt names; None if it is gone, or lies outside."""
        root = self.home.root.resolve()
        folder = (root / place).resolve()
        return folder if folder.is_relative_to(root) and folder != root and folder.is_dir() else None

    def _receipt(self, path: str) -> Receipt | None:
        content = self.json(path)
        try:
            receipt = Receipt(**content) if content else None
        except TypeError:
            return None
        return receipt if receipt and isinstance(receipt.facts, dict) and isinstance(receipt.artifact, str) else None


def _object(path: Path | str) -> Content | None:
    try:
        with open(path, "rb") as file:
            found = orjson.loads(file.read())
    except (OSError, orjson.JSONDecodeError):
        return None
    return found if isinstance(found, dict) else None


def _names(folder: Path, end: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            yield from [entry.path for entry in entries if entry.name.endswith(end)]
    except OSError:
        return
