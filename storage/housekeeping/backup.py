"""A home as one archive, and back.

    backup(home, "backups/")               while runs go on; also a file, s3://bucket/home.tar.zst, …
    restore("backups/x.tar.zst", home)     into a home that is empty, all or nothing

What refers to something goes into the archive before what it refers to, and whatever is referred to is immutable: so
each receipt in it has its artifact. The warehouse is copied by DuckDB and MLflow's store by SQLite, in their turns; of
a journal goes what it holds when its turn comes. What a run makes anew by itself stays out: unfinished work, locks,
copies from elsewhere, the ledger's index.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from storage import remote
from storage.home import Home
from storage.housekeeping.archive import SUFFIX, creating, opening, pack, refused, unpack
from storage.housekeeping.garbage import alone
from storage.records import PonensError, UsageError
from storage.shared_locks import turn

_APART = re.compile(
    r"(work|locks|reads|fetched|trash-[^/]*)/.*|warehouse\.duckdb.*|mlflow/mlflow\.db.*|ledger/[^/]*(?<!\.jsonl)"
)
_ASIDE = re.compile(r"\..+\.\d+|.+\.part")  # files that are being written
_LAST = ("receipts", "adapters", "artifacts")  # each refers to those after it, everything else to all of them
_PATIENCE_S = 300.0
_PLACES = ("artifact_uri", "artifact_location", "source", "storage_location")  # columns of MLflow that name a place


def backup(home: Home, place: str) -> dict[str, Any]:
    """Write the archive to a file, or under a name with the time into a folder; either may be a URL.

    Returns its place, the number of files and their bytes. UsageError if there is no home, or the file is there
    already; PonensError if the disk is full or the store refuses, and no archive is left then.
    """
    if not home.root.is_dir() or not any(home.root.iterdir()):
        raise UsageError(f"there is no home at {home.root}", hint="set PONENS_HOME, or give --recipe")
    now = datetime.now(UTC)
    if not place.endswith(SUFFIX):
        place = f"{place.rstrip('/')}/ponens-{now:%Y%m%d-%H%M%S}{SUFFIX}"
    about = {"made_at": now.isoformat(timespec="seconds"), "home": str(home.root.resolve())}
    with alone(home), creating(place) as sink:
        files = pack(sink, _members(home), about)["files"]
    return {"archive": remote.public(place), **_told(files), "made_at": about["made_at"]}


def restore(place: str, home: Home) -> dict[str, Any]:
    """Make the home of an archive: it must not be there yet, or be empty.

    Returns the home, the number of files, their bytes and when the archive was made. UsageError for a home that is
    not empty, PonensError for an archive that is torn or damaged, or a full disk; nothing is left behind then.
    """
    root = home.root
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UsageError(
            f"{root} is not empty",
            expected="a new or an empty folder: two homes never mix",
            hint="give another --home, or move this one away",
        )
    aside = root.with_name(f".{root.name}.{os.getpid()}")
    try:
        aside.mkdir(parents=True)
        with opening(place) as source:
            index = unpack(source, aside, remote.public(place))
        _moved(aside / "mlflow" / "mlflow.db", str(index["home"]), str(root.resolve()))
        with suppress(FileNotFoundError):
            root.rmdir()
        aside.rename(root)
    except OSError as error:
        raise refused(f"{remote.public(place)} cannot be restored", error, root.parent) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return {"home": str(root), **_told(index["files"]), "made_at": index["made_at"]}


def _told(files: dict[str, Any]) -> dict[str, int]:
    return {"files": len(files), "bytes": sum(entry["bytes"] for entry in files.values())}


def _members(home: Home) -> Iterator[tuple[str, Path]]:
    """Names and files, what refers to others first; the copies of databases are there for their turn alone."""
    yield from _copied(home, "warehouse.duckdb", _copy_warehouse)
    yield from _copied(home, "mlflow/mlflow.db", _copy_mlflow)
    entries = sorted(path for path in home.root.iterdir() if path.name not in _LAST)
    for entry in (*entries, *(home.root / name for name in _LAST)):
        for folder, folders, names in os.walk(entry):
            folders.sort()
            # a folder's own files come first: aliases before the versions that they name
            yield from _named(home, *(Path(folder, name) for name in sorted(names)))
        if entry.is_file():
            yield from _named(home, entry)


def _named(home: Home, *paths: Path) -> Iterator[tuple[str, Path]]:
    for path in paths:
        name = path.relative_to(home.root).as_posix()
        if path.is_file() and not _APART.fullmatch(name) and not _ASIDE.fullmatch(path.name):
            yield name, path


def _copied(home: Home, name: str, copy: Callable[[Home, Path], None]) -> Iterator[tuple[str, Path]]:
    if (home.root / name).exists():
        reads = home.root / "reads"
        reads.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=reads) as folder:
            target = Path(folder, "copy")
            try:
                copy(home, target)
            except (duckdb.Error, sqlite3.Error, TimeoutError) as error:
                raise PonensError(
                    f"{home.root / name} cannot be copied",
                    seen=error,
                    expected=f"a sound file, free for a moment, and room for its copy in {reads}",
                    hint="`ponens doctor` says what is wrong with it",
                ) from None
            yield name, target


def _copy_warehouse(home: Home, target: Path) -> None:
    lock = home.root / "locks" / "warehouse.lock"
    with turn(lock, shared=True, wait_s=_PATIENCE_S), closing(duckdb.connect()) as con:
        for path, name in ((home.warehouse, "home (read_only)"), (target, "copy")):
            quoted = str(path).replace("'", "''")
            con.execute(f"attach '{quoted}' as {name}").fetchall()
        con.execute("copy from database home to copy").fetchall()


def _copy_mlflow(home: Home, target: Path) -> None:
    source = f"file:{home.mlflow / 'mlflow.db'}?mode=ro"
    with (
        closing(sqlite3.connect(source, uri=True, timeout=_PATIENCE_S)) as con,
        closing(sqlite3.connect(target)) as copy,
    ):
        con.backup(copy)


def _moved(database: Path, before: str, after: str) -> None:
    """Point MLflow's store at the new place of its files: it notes absolute paths."""
    if not database.exists() or before == after:
        return
    with closing(sqlite3.connect(database)) as con, con:
        columns = con.execute(
            "select t.name, c.name from sqlite_master t, pragma_table_info(t.name) c "
            f"where t.type = 'table' and c.name in ({', '.join('?' * len(_PLACES))})",
            _PLACES,
        ).fetchall()
        for table, column in columns:
            for scheme in ("", "file://"):
                old, new = f"{scheme}{before}/", f"{scheme}{after}/"
                con.execute(
                    f'update "{table}" set "{column}" = ? || substr("{column}", ?) where substr("{column}", 1, ?) = ?',
                    (new, len(old) + 1, len(old), old),
                )
