"""Source files as they come: which they are, what they hold, and their lines.

files([Path("data")])    data/ -> every *.jsonl in it, named relative to their common folder
fingerprint(files)       one digest of names and bytes
lines(path)              (1, b'{"id": …}'), (3, …): blank lines are passed over but counted
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from storage.artifacts import sha256
from storage.records import UsageError, digest

Named = tuple[str, Path]
_BOM = b"\xef\xbb\xbf"


def files(paths: Sequence[Path], suffix: str = ".jsonl") -> list[Named]:
    """The files at `paths`, each once, as (name, path); a folder stands for its files with `suffix`.

    A name is relative to the folder that all of them share, so that it holds on another machine.
    UsageError if a path is missing, cannot be read, or is a folder without such a file.
    """
    found: dict[Path, None] = {}
    for path in paths:
        for file in _below(path.expanduser(), suffix):
            found[file.resolve()] = None
    if not found:
        raise UsageError("no source is named", expected="a file, a folder or a list of them", hint="set parse.path")
    common = Path(os.path.commonpath([file.parent for file in found]))
    return [(file.relative_to(common).as_posix(), file) for file in found]


def fingerprint(named: Sequence[Named]) -> str:
    """64 hex digits over the files' names and bytes; the order they were given in does not matter."""
    return digest(sorted([name, sha256(path)] for name, path in named))


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines with something on them, numbered from 1, without a byte order mark or line ending."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            text = line.removeprefix(_BOM) if number == 1 else line
            if text := text.strip(b" \t\r\n"):
                yield number, text


def _below(path: Path, suffix: str) -> list[Path]:
    if path.is_dir():
        inside = sorted(file for file in path.iterdir() if file.is_file() and file.suffix == suffix)
        if not inside:
            raise UsageError("a source folder has nothing to read", seen=path, expected=f"files that end in {suffix}")
        return inside
    if not path.exists():
        raise UsageError("a source file is missing", seen=path, hint="check parse.path; it is relative to the recipe")
    if not os.access(path, os.R_OK):
        raise UsageError("a source file cannot be read", seen=path, hint="check its permissions")
    return [path]
