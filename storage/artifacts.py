"""Immutable folders of files: written aside, manifest last, then renamed into place.

publish(folder, shelf, home)   folder -> artifacts/SHELF/DIGEST, or adapters/NAME/N for a numbered shelf
whole(path)                    is everything that the manifest names still there, byte for byte?
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from storage.home import Home
from storage.records import PonensError, digest

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Published:
    """An artifact's place, relative to the home, and the digest of its content."""

    artifact: str
    digest: str


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex digits. Memory does not grow with the file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, content: object) -> None:
    """Write aside, flush to disk, rename: a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("wb") as file:
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS, default=str))
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the artifact at `path`. PonensError if there is none or it is torn."""
    try:
        found: dict[str, Any] = orjson.loads((path / MANIFEST).read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise PonensError(
            f"artifact {path} has no readable manifest", seen=error, hint="run the recipe again: it is made anew"
        ) from None
    return found


def publish(
    folder: Path,
    shelf: str,
    home: Home,
    *,
    identity: str | None = None,
    numbered: bool = False,
    least: int = 1,
    about: dict[str, Any] | None = None,
) -> Published:
    """Turn a finished work folder into an artifact; `folder` is gone afterwards.

    `identity` is the content's digest where the files' bytes are not it (a table written by another
    release of the same library); by default the digest covers every file's name and bytes. A
    `numbered` shelf is `adapters/NAME`: the artifact becomes its next number, `least` at least. One that
    is already there, whole, is kept; what is no part of its content, such as a note for people, is
    brought up to date. OSError if the disk is full: the work folder is then untouched.
    """
    files = {
        str(path.relative_to(folder)): {"sha256": sha256(path), "bytes": path.stat().st_size}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    name = identity or digest({file: entry["sha256"] for file, entry in files.items()})
    write_json(folder / MANIFEST, {"digest": name, "files": files, **(about or {})})
    parent = home.root / shelf if numbered else home.root / "artifacts" / shelf
    parent.mkdir(parents=True, exist_ok=True)
    place = _next_number(folder, parent, least) if numbered else _by_name(folder, parent / name[:16])
    return Published(str(place.relative_to(home.root)), name)


def whole(path: Path) -> bool:
    """True if the manifest is there and every file it names has the bytes it had."""
    try:
        files = read_manifest(path)["files"]
        return all(
            (path / file).stat().st_size == entry["bytes"] and sha256(path / file) == entry["sha256"]
            for file, entry in files.items()
        )
    except (PonensError, OSError, KeyError):
        return False


def _by_name(folder: Path, place: Path) -> Path:
    if whole(place):
        _renew(folder, place)
        shutil.rmtree(folder)
        return place
    shutil.rmtree(place, ignore_errors=True)
    folder.rename(place)
    return place


def _renew(folder: Path, place: Path) -> None:
    """Put files with other bytes in place, one by one, the manifest last: a kill between leaves nothing whole."""
    new, old = read_manifest(folder)["files"], read_manifest(place)["files"]
    if changed := [file for file in new if new[file] != old.get(file)]:
        for file in (*changed, MANIFEST):
            (folder / file).replace(place / file)


def _next_number(folder: Path, parent: Path, least: int) -> Path:
    taken = [int(p.name) for p in parent.iterdir() if p.name.isdigit()]
    number = max(least, max(taken, default=0) + 1)
    while True:
        try:
            # rename onto a folder with content fails: of two publishers at once, one takes the next number
            folder.rename(parent / str(number))
            return parent / str(number)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            number += 1
