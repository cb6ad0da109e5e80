"""The databases that text-to-SQL rows are about, where they lie beside the rows as Spider and BIRD lay them.

    dev.json, database/NAME/NAME.sqlite        also databases/, dev_databases/, train_databases/, test_database/

A folder of a database may hold more files of it, as Spider's test suite does: the one of its own name is the first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from storage.records import UsageError, digest

FOLDERS = ("database", "databases", "dev_databases", "train_databases", "test_database", "test_databases")
_ENDINGS = (".sqlite", ".sqlite3", ".db")
_MAGIC = b"SQLite format 3\x00"
_SAMPLE = 1 << 16


def beside(sources: Iterable[Path]) -> list[Path]:
    """The folders of databases beside these files, or inside these folders."""
    places = dict.fromkeys(path if path.is_dir() else path.parent for path in sources)
    return [place / name for place in places for name in FOLDERS if (place / name).is_dir()]


def named(roots: Sequence[Path], name: str) -> list[Path]:
    """The files of one database: NAME/NAME.sqlite first, then others of its folder, or NAME.sqlite alone."""
    if not name or Path(name).name != name or name.startswith("."):
        return []
    for root in roots:
        found = [file for file in sorted((root / name).glob("*")) if _is_database(file)]
        found = found or [root / f"{name}{ending}" for ending in _ENDINGS if _is_database(root / f"{name}{ending}")]
        if found:
            return sorted(found, key=lambda file: (file.stem != name, file.name))
    return []


def fingerprint(roots: Sequence[Path]) -> str:
    """64 hex digits over the names of all databases, their sizes, beginnings and ends.

    A beginning holds SQLite's counter of changes, so that no write passes unseen and no gigabyte is read for a plan.
    UsageError if a folder is not there.
    """
    said = []
    for root in roots:
        if not root.is_dir():
            raise UsageError("the folder of databases is not there", seen=root, hint="see [evaluate] databases_at")
        for file in sorted([*root.glob("*"), *root.glob("*/*")]):
            if file.suffix in _ENDINGS and file.is_file():
                said.append([file.relative_to(root).as_posix(), file.stat().st_size, _ends(file)])
    return digest(said)


def _ends(file: Path) -> str:
    with file.open("rb") as opened:
        begins = opened.read(_SAMPLE)
        opened.seek(max(0, file.stat().st_size - _SAMPLE))
        return hashlib.sha256(begins + opened.read(_SAMPLE)).hexdigest()


def _is_database(file: Path) -> bool:
    """Whether a file is one of SQLite's, whole in itself: nothing of it waits in a log beside."""
    if file.suffix not in _ENDINGS or not file.is_file():
        return False
    log = file.with_name(f"{file.name}-wal")
    with file.open("rb") as opened:
        return opened.read(len(_MAGIC)) == _MAGIC and not (log.exists() and log.stat().st_size)
