"""Files elsewhere, s3://…, hf://… and all that fsspec knows, as files here.

    here("s3://bucket/data.jsonl", cache)      a local copy, fetched again only when it has changed there
    push(folder, "s3://bucket/snapshots/ID")   an artifact's files, the manifest last

fsspec and its drivers come with the extra `cloud`; keys and endpoints are theirs to find, as always.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from storage.artifacts import MANIFEST, read_manifest, write_json
from storage.records import PonensError, UsageError, digest


def is_url(place: str) -> bool:
    """Whether `place` is elsewhere: "s3://…", "hf://…"; a path is not."""
    return bool(re.match(r"[a-z][a-z0-9+.-]+://", place))


def here(url: str, cache: Path) -> Path:
    """The file or folder at `url` as a local one of its name below `cache`; of a folder, the files directly in it.

    A file that is the same there by the store's own word (size, time, checksum) is not fetched again.
    UsageError if nothing is there or no driver knows the URL, PonensError if the store cannot be reached.
    """
    store, root = opened(url)
    folder = cache / digest(url.rstrip("/"))[:16]
    try:
        if not store.exists(root):
            raise UsageError("a source is missing", seen=public(url), hint="check the URL and your access to it")
        alone = store.isfile(root)
        names = [root] if alone else sorted(i["name"] for i in store.ls(root, detail=True) if i["type"] == "file")
        place = folder / root.rstrip("/").rpartition("/")[2]
        for name in names:
            _fetch(store, name, place if alone else place / name.rpartition("/")[2], folder)
    except OSError as error:
        raise unreachable(url, error) from None
    return place


def push(folder: Path, url: str, notes: Sequence[str] = ()) -> bool:
    """Copy an artifact's folder to `url`; the manifest goes last, so that what is torn is not whole.

    `notes` are files for people that no manifest names; they are brought up to date in any case.
    False if the same artifact is there already. PonensError if another one is, or the store cannot be reached.
    """
    store, root = opened(url)
    mine, there = read_manifest(folder), f"{root.rstrip('/')}/{MANIFEST}"
    try:
        found = orjson.loads(store.cat_file(there)).get("digest") if store.exists(there) else None
        if found not in (None, mine["digest"]):
            raise PonensError(
                f"{public(url)} holds another artifact", seen=found, expected=mine["digest"], hint="choose another URL"
            )
        store.makedirs(root, exist_ok=True)
        for file in (*notes, *(() if found else (*mine["files"], MANIFEST))):
            store.put_file(str(folder / file), f"{root.rstrip('/')}/{file}")
    except (OSError, orjson.JSONDecodeError) as error:
        raise unreachable(url, error) from None
    return found is None


def opened(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it. UsageError if no installed driver knows the URL."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise _driverless(url, "fsspec is not installed") from None
    try:
        store, root = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise _driverless(url, error) from None
    store.invalidate_cache()
    return store, str(root)


def _fetch(store: Any, name: str, file: Path, notes: Path) -> None:
    """One file, written aside and renamed; what the store says of it is noted after it is whole."""
    note, said = notes / f".{file.name}.json", {"ukey": store.ukey(name)}
    if file.exists() and note.exists() and orjson.loads(note.read_bytes()) == said:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.part")
    store.get_file(name, str(aside))
    aside.replace(file)
    write_json(note, said)


def public(url: str) -> str:
    """A URL without the name and password in it."""
    return re.sub(r"//[^/@]*@", "//…@", url)


def _driverless(url: str, error: object) -> UsageError:
    return UsageError(
        f"{public(url)} cannot be opened",
        seen=error,
        expected="a URL that an installed fsspec driver knows",
        hint="pip install 'ponens[cloud]' brings s3:// and hf://",
    )


def unreachable(url: str, error: Exception) -> PonensError:
    """The error of a store that does not do what it was asked."""
    return PonensError(
        f"{public(url)} cannot be reached", seen=error, hint="check the URL, your access and the network"
    )
