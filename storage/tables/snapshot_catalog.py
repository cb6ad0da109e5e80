"""The snapshots of a home: found by name, compared row by row, asked in SQL.

find(home, "3fa2")  find(home, "logic@latest")     an id's beginning, or a recipe's newest
diff(a, b)                                         rows that came, went, changed, moved to another split
query(a, "select …")                               over examples, train, valid and drops of one snapshot
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from storage import duckdb_rows, remote
from storage.artifacts import MANIFEST, read_manifest, whole
from storage.home import Home
from storage.records import PonensError, UsageError
from storage.sqlfiles import quoted, word_for_word
from storage.tables.lineage import Entry, history
from storage.tables.snapshots import DROPS, EXAMPLES

TABLES = {"examples": EXAMPLES, "train": "train.parquet", "valid": "valid.parquet", "drops": DROPS}
_LISTED = 8  # candidates that an error names
# Rows with one id are the same example. Of the others, those of one question are paired in the order of their copies.
_DIFF = """
create temp table differences as
with a as (from read_parquet($a, hive_partitioning = false)), b as (from read_parquet($b, hive_partitioning = false)),
gone as (
  select *, row_number() over (partition by question order by shuffle, id) as place from a anti join b using (id)
),
new as (
  select *, row_number() over (partition by question order by shuffle, id) as place from b anti join a using (id)
)
select
  case when n.id is null then 'went' when g.id is null then 'came' else 'changed' end as what,
  question, coalesce(n.split, g.split) as split,
  if(g.id is null, null, {'id': g.id, 'split': g.split, 'prompt': g.prompt, 'completion': g.completion}) as before,
  if(n.id is null, null, {'id': n.id, 'split': n.split, 'prompt': n.prompt, 'completion': n.completion}) as after,
from gone g full join new n using (question, place)
union all
select 'moved', b.question, b.split,
  {'id': a.id, 'split': a.split, 'prompt': a.prompt, 'completion': a.completion},
  {'id': b.id, 'split': b.split, 'prompt': b.prompt, 'completion': b.completion}
from a join b using (id) where a.split <> b.split
"""
KINDS = ("came", "went", "changed", "moved")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot that is there: its id, its folder, its manifest, and where it stands in recipes' lineages."""

    id: str
    path: Path
    manifest: Mapping[str, Any]
    lineage: tuple[Entry, ...] = ()

    @property
    def facts(self) -> Mapping[str, Any]:
        facts: Mapping[str, Any] = self.manifest["facts"]
        return facts

    def dict(self) -> dict[str, Any]:
        """What `ponens datasets list` says of it."""
        return {
            "snapshot": self.id,
            "rows": self.facts["rows"],
            "recipes": sorted({entry.recipe for entry in self.lineage}),
            "parents": {entry.recipe: entry.parent for entry in self.lineage},
            "made_at": self.manifest["made_at"],
            "path": str(self.path),
        }


def listing(home: Home) -> list[Snapshot]:
    """Every whole snapshot of the home, newest first; a folder without a manifest is none."""
    lineages: dict[str, list[Entry]] = {}
    for entry in history(home):
        lineages.setdefault(entry.snapshot, []).append(entry)
    found = [
        Snapshot(path.parent.name, path.parent, read_manifest(path.parent), tuple(lineages.get(path.parent.name, ())))
        for path in (home.root / "artifacts" / "snapshots").glob(f"*/{MANIFEST}")
    ]
    return sorted(found, key=lambda s: (s.manifest["made_at"], s.id), reverse=True)


def find(home: Home, name: str) -> Snapshot:
    """The one snapshot that `name` means: the beginning of its id, RECIPE@latest, or the URL it was pushed to.

    UsageError if none or several are meant, PonensError if the recipe's newest is no longer there or what
    the URL holds is not whole.
    """
    if remote.is_url(name):
        return _elsewhere(home, name)
    there = listing(home)
    if "@" in name:
        return _newest(home, name, there)
    meant = [snapshot for snapshot in there if name and snapshot.id.startswith(name)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise UsageError(
            f"{name!r} begins the id of {len(meant)} snapshots",
            seen=_names(meant),
            expected="enough of the id to tell them apart",
        )
    raise UsageError(
        f"there is no snapshot {name!r} in {home.root}",
        expected=f"the beginning of an id ({_names(there)}) or RECIPE@latest" if there else "a snapshot to name",
        hint="`ponens datasets list` shows them" if there else "make one with `ponens assemble RECIPE`",
    )


def diff(a: Snapshot, b: Snapshot, limit: int | None = None) -> dict[str, Any]:
    """Counts of rows that are the same, came, went, changed or moved from `a` to `b`, and the first `limit` of these.

    An example is the same if prompt and completion are. Changed is another text for the same question,
    moved the same text in another split.
    """
    with duckdb.connect() as con:
        files = {name: word_for_word(one.path / EXAMPLES) for name, one in (("a", a), ("b", b))}
        try:
            con.execute(_DIFF, files).fetchall()
            counts = dict(con.execute("select what, count(*) from differences group by 1").fetchall())
            con.execute("from differences order by what, question, after.id, before.id limit $n", {"n": limit})
            told = duckdb_rows.rows(con)
            [(size,)] = con.execute("select count(*) from read_parquet(?)", [files["b"]]).fetchall()
        except duckdb.Error as error:
            raise PonensError("the snapshots cannot be compared", seen=error, hint="make them anew") from None
    known = {kind: counts.get(kind, 0) for kind in KINDS}
    same = size - known["came"] - known["changed"] - known["moved"]
    return {"a": a.id, "b": b.id, "same": same, **known, "rows": told}


def query(snapshot: Snapshot, sql: str) -> list[dict[str, Any]]:
    """Rows, column by name, of one SELECT over the snapshot's `examples`, `train`, `valid` and `drops`.

    No other file is in reach and nothing can be changed. UsageError with DuckDB's words if the SQL is wrong.
    """
    files = {table: str(snapshot.path / file) for table, file in TABLES.items()}
    with duckdb.connect() as con:
        try:
            kinds = [str(statement.type) for statement in con.extract_statements(sql)]
            # an allowed file may be written to as well: COPY and its like must not get that far
            if kinds != ["StatementType.SELECT"]:
                raise UsageError("one SELECT can be asked", seen=re.sub(r"\s+", " ", sql)[:80] or "nothing")
            for table, file in files.items():
                path = quoted(word_for_word(file))
                con.execute(f"create view {table} as from read_parquet('{path}', hive_partitioning = false)").fetchall()
            con.execute("set allowed_paths = $files", {"files": list(files.values())}).fetchall()
            con.execute("set enable_external_access = false; set lock_configuration = true").fetchall()
            con.execute(sql)
            return duckdb_rows.rows(con)
        except duckdb.Error as error:
            raise UsageError(
                "the snapshot could not be asked this", seen=error, expected=f"SQL over {', '.join(TABLES)}"
            ) from None


def _elsewhere(home: Home, url: str) -> Snapshot:
    path = remote.here(url, home.root / "fetched")
    if not whole(path):
        raise PonensError(
            f"{url} holds no whole snapshot",
            expected=f"the files that its {MANIFEST} names, byte for byte",
            hint="push it again: `ponens datasets push SNAP URL`",
        )
    manifest = read_manifest(path)
    return Snapshot(manifest["digest"][:16], path, manifest)


def _newest(home: Home, name: str, there: list[Snapshot]) -> Snapshot:
    recipe, _, which = name.rpartition("@")
    past = history(home)
    line = [entry for entry in past if entry.recipe == recipe]
    if which != "latest" or not line:
        known = sorted({entry.recipe for entry in past})
        raise UsageError(
            f"there is no snapshot {name!r}",
            expected=f"RECIPE@latest with RECIPE one of {', '.join(known[:_LISTED])}" if known else "",
            hint="`ponens datasets list` shows them" if known else "make one with `ponens assemble RECIPE`",
        )
    for snapshot in there:
        if snapshot.id == line[-1].snapshot:
            return snapshot
    raise PonensError(
        f"snapshot {line[-1].snapshot}, the newest of {recipe!r}, is gone from {home.root}",
        hint="`ponens assemble` with its recipe makes it anew",
    )


def _names(snapshots: list[Snapshot]) -> str:
    more = [f"and {len(snapshots) - _LISTED} more"] if len(snapshots) > _LISTED else []
    return ", ".join([snapshot.id for snapshot in snapshots[:_LISTED]] + more)
