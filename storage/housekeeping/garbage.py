"""What a home holds that nothing refers to any more: found, told why, and removed for good.

survey(home, older_s)             leftovers, largest first; changes nothing
remove(home, leftovers, older_s)  those of them that still are leftovers, each gone at once or not at all

Kept is what can be reached from adapters, reports, runs that came to an end, and the newest snapshot of each
recipe: an artifact keeps what it was made of, an adapter what was found out about it. Of the rest, a leftover is
what was neither made nor used for `older_s` seconds, nor since the oldest run under way began. The ledger, the samples
and the warehouse are never touched.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG

from storage import runs
from storage.home import Home
from storage.housekeeping.references import Graph
from storage.records import PonensError, UsageError
from storage.shared_locks import turn

HOUSEKEEPING = "housekeeping"
_TRASH = "trash-"
_WORK = re.compile(r"(?P<step>.+)-(?P<key>[0-9a-f]{16})")
_COPYING_S = 3600.0  # a copy of the warehouse lives for as long as copying takes
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Leftover:
    """One thing that may go: its path below the home, its size, why it may.

    `notes` go with it, and `locks` must be free for that.
    """

    what: str
    path: str
    bytes: int
    why: str
    notes: tuple[str, ...] = field(default=(), compare=False)
    locks: tuple[str, ...] = field(default=(), compare=False)

    def dict(self) -> dict[str, object]:
        return {"what": self.what, "path": self.path, "bytes": self.bytes, "why": self.why}


def seconds(age: str) -> float:
    """The seconds of an age such as "14d", "12h", "30m" or "0s". UsageError for anything else."""
    if match := re.fullmatch(r"(\d{1,6})([smhd])", age.strip()):
        return float(match[1]) * _UNITS[match[2]]
    raise UsageError("--older-than", seen=repr(age), expected="a number with s, m, h or d, such as 14d")


def survey(home: Home, older_s: float) -> list[Leftover]:
    """Everything that may go, largest first; no lock is held when this returns."""
    return _survey(home, *_until(home, older_s))


def remove(home: Home, chosen: Collection[Leftover], older_s: float) -> list[Leftover]:
    """Remove what was chosen and still is a leftover; what went is returned.

    Each is renamed out of its place first, so that a kill leaves it whole or gone, and its remains to the next
    removal. UsageError while another process keeps house, PonensError if the disk refuses.
    """
    wanted = {one.path for one in chosen}
    gone = []
    with alone(home):
        until, under_way = _until(home, older_s)
        for one in _survey(home, until, under_way):
            if one.path in wanted and _cleared(home, one, until):
                gone.append(one)
    return gone


def alone(home: Home) -> ExitStack:
    """Keep house in this home, alone. UsageError if another process does."""
    stack = ExitStack()
    try:
        stack.enter_context(turn(home.root / "locks" / f"{HOUSEKEEPING}.lock", shared=False, wait_s=0))
    except TimeoutError:
        raise UsageError(
            f"another process keeps house in {home.root}",
            expected="one gc or backup at a time",
            hint="wait for its end",
        ) from None
    return stack


def _until(home: Home, older_s: float) -> tuple[float, frozenset[str]]:
    """What was last used before this may go, and the runs under way, who may have found what they did not make."""
    under_way = runs.under_way(home)
    begun = [used(home.run(id) / "recipe.json") for id in under_way]
    return min([time.time() - older_s, *begun]), under_way


def _survey(home: Home, until: float, under_way: frozenset[str]) -> list[Leftover]:
    found = [*_trash(home), *_artifacts(home, until), *_works(home, until), *_runs(home, until, under_way)]
    found += _caches(home, until, busy=bool(under_way))
    return sorted(found, key=lambda one: (-one.bytes, one.path))


def _cleared(home: Home, one: Leftover, until: float) -> bool:
    """Whether it went: not if a lock of it is held, or it was used in the meantime."""
    place, trash = home.root / one.path, home.root / f"{_TRASH}{secrets.token_hex(4)}"
    with ExitStack() as stack:
        try:
            for lock in one.locks:
                stack.enter_context(turn(home.root / "locks" / f"{lock}.lock", shared=False, wait_s=0))
        except TimeoutError:
            return False
        if one.locks and max(used(home.root / path) for path in (one.path, *one.notes)) >= until:
            return False
        try:
            place.rename(trash)
            for note in one.notes:
                (home.root / note).unlink(missing_ok=True)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise PonensError(
                f"{place} cannot be removed", seen=error, hint="what went before it is gone; the rest is as it was"
            ) from None
    if trash.is_dir():
        shutil.rmtree(trash, ignore_errors=True)
    else:
        trash.unlink()
    return True


def _trash(home: Home) -> Iterator[Leftover]:
    for path in home.root.glob(f"{_TRASH}*"):
        yield Leftover("trash", path.name, size(path), "left by a removal that was killed")


def _artifacts(home: Home, until: float) -> Iterator[Leftover]:
    graph = Graph(home)
    kept = graph.kept()
    for place in graph.artifacts:
        receipts = graph.receipts_of(place)
        last = max(used(home.root / path) for path in (place, *(r.path for r in receipts)))
        if place not in kept and last < until:
            notes = tuple(r.path for r in receipts)
            locks = tuple(sorted({r.lock for r in receipts}))
            why = f"no run, report or adapter refers to it; last used {_day(last)}"
            yield Leftover(Path(place).parent.name, place, size(home.root / place), why, notes, locks)
    for receipt in graph.receipts:
        path = home.root / receipt.path
        if receipt.dangling and not graph.spoken_for(receipt) and used(path) < until:
            why = f"its artifact {receipt.artifact} is gone"
            yield Leftover("receipt", receipt.path, size(path), why, locks=(receipt.lock,))


def _works(home: Home, until: float) -> Iterator[Leftover]:
    for path in _entries(home.root / "work"):
        match, last = _WORK.fullmatch(path.name), newest(path)
        if match is None or last >= until or held(home, path.name):
            continue
        done = any((home.root / "receipts" / match["step"]).glob(f"{match['key']}*.json"))
        state = "is finished" if done else f"stopped half way and was not taken up since {_day(last)}"
        yield Leftover("work", f"work/{path.name}", size(path), f"{match['step']} {state}", locks=(path.name,))


def _runs(home: Home, until: float, under_way: Collection[str]) -> Iterator[Leftover]:
    for path in _entries(home.root / "runs"):
        if not (path / "outcome.json").exists() and path.name not in under_way and newest(path) < until:
            yield Leftover("run", f"runs/{path.name}", size(path), f"killed before its end, {_day(newest(path))}")


def _caches(home: Home, until: float, *, busy: bool) -> Iterator[Leftover]:
    for path in _entries(home.root / "reads"):
        if used(path) < time.time() - _COPYING_S:
            yield Leftover("copy", f"reads/{path.name}", size(path), "a copy of the warehouse that a kill has left")
    for path in [] if busy else _entries(home.root / "fetched"):
        if (last := newest(path)) < until:
            yield Leftover("fetched", f"fetched/{path.name}", size(path), f"copied from elsewhere {_day(last)}")


def held(home: Home, lock: str) -> bool:
    """Whether some process holds a lock of this home now."""
    file = home.root / "locks" / f"{lock}.lock"
    if not file.exists():
        return False
    try:
        with turn(file, shared=True, wait_s=0):
            return False
    except TimeoutError:
        return True


def used(path: Path) -> float:
    """When a file or folder was made or last used, in seconds of the epoch; 0 where it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    return sum(stat.st_size for stat in _stats(path) if S_ISREG(stat.st_mode))


def newest(path: Path) -> float:
    """When the youngest of the files and folders at `path` was changed, in seconds of the epoch."""
    return max((stat.st_mtime for stat in _stats(path)), default=0.0)


def _stats(path: Path) -> list[os.stat_result]:
    """Of `path` and all below it, without what goes meanwhile."""
    found = []
    for one in (path, *path.rglob("*")):
        with suppress(FileNotFoundError):
            found.append(one.lstat())
    return found


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _day(time_s: float) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d}"
