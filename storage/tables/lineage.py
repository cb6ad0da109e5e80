"""Which snapshot followed which: a line each time that a recipe of this home came to another snapshot.

    with following(home, "logic", ...) as parent: ...   # hold the recipe's place, then note the new snapshot

A snapshot is named by its content, so several recipes may come to one snapshot and one recipe may come
back to it: whom it followed belongs to the home's history, not to the snapshot. The history is kept as
append-only lines, for the warehouse can be deleted and a snapshot must not change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from storage.home import Home
from storage.journal import Journal, rows


@dataclass(frozen=True, slots=True)
class Entry:
    """`recipe` came to `snapshot` after `parent` (None for its first); `lost` counts what fell out, by reason."""

    recipe: str
    snapshot: str
    parent: str | None
    rows: int
    lost: Mapping[str, int]
    at: str


def entries(home: Home, recipe: str) -> list[Entry]:
    """The history of one recipe's snapshots in this home, oldest first; empty if there is none."""
    return [_entry(row) for row in rows(home.root / "lineage" / recipe)]


def history(home: Home) -> list[Entry]:
    """The histories of all recipes of this home, by recipe, oldest first."""
    folder = home.root / "lineage"
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.exists() else []
    return [entry for name in names for entry in entries(home, name)]


@contextmanager
def following(home: Home, recipe: str, snapshot: str, rows: int, lost: Mapping[str, int]) -> Iterator[Entry | None]:
    """Hold the recipe's lineage for the block and give its latest entry; note `snapshot` if the block ends well.

    Nothing is noted where the recipe comes to the snapshot that it came to last.
    """
    with home.lock(f"lineage-{recipe}"):
        latest = next(reversed(entries(home, recipe)), None)
        yield latest
        if latest is None or latest.snapshot != snapshot:
            at = datetime.now(UTC).isoformat(timespec="seconds")
            entry = Entry(recipe, snapshot, latest.snapshot if latest else None, rows, dict(lost), at)
            with Journal(home.root / "lineage" / recipe) as journal:
                journal.append(asdict(entry))


def _entry(row: dict[str, Any]) -> Entry:
    return Entry(**{name: row[name] for name in Entry.__slots__})
