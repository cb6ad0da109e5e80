"""Where the last word on each request stands in the ledger: an index on disk, so that memory stays flat.

    index = Index(folder)
    index.refresh()     take in whatever the segments of `folder` have gained, from whatever process
    index.find(key)     its place, outcome and limit, or None

The segments are the truth and the index only a way to find them: lost or damaged, it is made anew.
"""

from __future__ import annotations

import fcntl
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

from storage.journal import Place, located

FILE = "index.sqlite"
SETTLES = ("answered", "cut", "refused")
_CHUNK = 5_000  # rows a transaction: another process waits no longer than this takes
_WAIT_S = 60.0
_TABLES = """
create table if not exists segments (
  name text primary key, read integer not null, closed integer not null
) without rowid;
create table if not exists replies (
  key blob primary key, outcome text not null, max_tokens integer, segment text not null, start integer not null
) without rowid;
"""
# Whatever order the segments are read in, the first answer stays, for it is what was paid for; of the
# rest the last word counts, and an answer before all of them.
_LEARN = """
insert into replies values (:key, :outcome, :max_tokens, :segment, :start)
on conflict (key) do update set
  outcome = excluded.outcome, max_tokens = excluded.max_tokens, segment = excluded.segment, start = excluded.start
where case
  when excluded.outcome = 'answered' and outcome = 'answered' then (excluded.segment, excluded.start) < (segment, start)
  when outcome = 'answered' then false
  when excluded.outcome = 'answered' then true
  else (excluded.segment, excluded.start) > (segment, start)
end
"""


class Known(NamedTuple):
    """The last word on a request: where it stands, what it was, and at which limit."""

    place: Place
    outcome: str
    max_tokens: int | None


class Index:
    """The index of one ledger's folder; its caller keeps threads from using it at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._con: sqlite3.Connection | None = None
        self._folder_seen = 0
        self._open: dict[str, int] = {}  # segments that may still grow, and how far they are taken in
        self._sizes: dict[str, int] = {}  # what a torn last line left: no need to look at it again

    def find(self, key: bytes) -> Known | None:
        if self._con is None:
            return None
        row = self._con.execute(
            "select outcome, max_tokens, segment, start from replies where key = ?", (key,)
        ).fetchone()
        return Known(Place(self._folder / row[2], row[3]), row[0], row[1]) if row else None

    def refresh(self, but: str = "") -> None:
        """Take in what was recorded since the last look, by any process; leave the segment named `but` for later."""
        try:
            changed = self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if self._con is None:
            self._con = self._connected()
        if changed != self._folder_seen:
            self._folder_seen = changed
            known = dict(self._con.execute("select name, closed from segments"))
            self._open |= {
                path.name: 0
                for path in sorted(self._folder.glob("*.jsonl"))
                if not known.get(path.name) and path.name not in self._open
            }
        for name in [name for name in self._open if name != but]:
            size = (self._folder / name).stat().st_size
            if size > self._open[name] and size != self._sizes.get(name):
                self._take_in(name, size)

    def close(self) -> None:
        if self._con is not None:
            self._con.close()
            self._con = None

    def _connected(self) -> sqlite3.Connection:
        path = self._folder / FILE
        for last in (False, True):
            con = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
            try:
                con.execute("pragma journal_mode = wal")
                con.execute("pragma synchronous = normal")
                con.executescript(_TABLES)
                if self._true(con):
                    return con
                con.executescript("begin immediate; delete from segments; delete from replies; commit;")
                return con
            except sqlite3.DatabaseError as error:
                con.close()
                if last or isinstance(error, sqlite3.OperationalError):  # busy, or a full disk: nothing is damaged
                    raise
                for file in self._folder.glob(f"{FILE}*"):
                    file.unlink(missing_ok=True)
        raise AssertionError

    def _true(self, con: sqlite3.Connection) -> bool:
        """Whether every segment that was taken in is still there, no shorter than it was."""
        sizes = {path.name: path.stat().st_size for path in self._folder.glob("*.jsonl")}
        return all(sizes.get(name, -1) >= read for name, read in con.execute("select name, read from segments"))

    def _take_in(self, name: str, size: int) -> None:
        """Index a segment's new rows; of one whose writer is gone, note that it will not grow."""
        assert self._con is not None
        segment = self._folder / name
        gone = _no_writer(segment)  # asked before reading: whatever its writer wrote last is then read below
        while True:
            self._con.execute("begin immediate")
            try:
                found = self._con.execute("select read from segments where name = ?", (name,)).fetchone()
                read = found[0] if found else 0
                rows: list[dict[str, Any]] = []
                for start, following, row in located(segment, read):
                    read = following
                    if row.get("outcome") in SETTLES and "key" in row:
                        rows.append(_learned(row, name, start))
                    if len(rows) == _CHUNK:
                        break
                self._con.executemany(_LEARN, rows)
                closed = gone and 0 < read == size
                self._con.execute("insert or replace into segments values (?, ?, ?)", (name, read, closed))
                self._con.execute("commit")
            except BaseException:
                self._con.execute("rollback")
                raise
            if len(rows) < _CHUNK:
                break
        self._open[name] = read
        self._sizes[name] = size
        if closed:
            del self._open[name]


def _learned(row: dict[str, Any], segment: str, start: int) -> dict[str, Any]:
    return {
        "key": short(row["key"]),
        "outcome": row["outcome"],
        "max_tokens": row["max_tokens"],
        "segment": segment,
        "start": start,
    }


def short(key: str) -> bytes:
    """Half of a request's key: 128 bits name it well enough."""
    return bytes.fromhex(key[:32])


def _no_writer(segment: Path) -> bool:
    """True if no process holds the segment any more: a writer locks its segment before its first row."""
    with segment.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
