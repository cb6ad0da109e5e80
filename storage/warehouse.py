"""The warehouse: one DuckDB file of facts, opened late and closed early, shared by many processes.

    register(home, receipt, tables)   an artifact's parquet files -> rows, once
    query(home, "select …")           rows as dicts, of a copy, so that nobody waits for a long query
    connect(home)                     one short transaction; the schema is brought up to date first

DuckDB lets one process at a time write, and none read meanwhile; whoever comes second waits here,
at a lock file of our own, because each try to open the database costs more than a transaction.
See docs/decisions/0008-reading-a-copy.md.
Nothing in the file is unique: delete it, and the next run fills it again from the artifacts.
"""

from __future__ import annotations

import random
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson

from storage import duckdb_rows
from storage.home import Home
from storage.records import PonensError, Receipt, UsageError
from storage.shared_locks import turn
from storage.sqlfiles import word_for_word

MIGRATIONS = Path(__file__).with_name("migrations")
Known = frozenset[tuple[str, str]]  # artifacts that the warehouse has, each with its digest
PATIENCE_S = 300.0  # what a run may wait for other runs before it gives up its work
_STALE_S = 3600.0  # a copy is on disk for as long as copying takes: an older one was left by a kill
_LEDGER = {
    **dict.fromkeys(("key", "outcome", "teacher", "model", "messages", "text", "reasoning", "finish"), "varchar"),
    **{"sample": "integer", "sampling": "json", "max_tokens": "integer", "time": "timestamptz"},
    "tokens": 'struct("in" bigint, "out" bigint, reasoning bigint, cached bigint)',
    **{"estimated": "boolean", "price": "json", "cost": "double", "seconds": "double", "attempts": "integer"},
    **{"error": "varchar", "detail": "varchar"},
}
_CREATE = "create table if not exists migrations (number integer primary key, name varchar, applied_at timestamptz)"


@contextmanager
def connect(home: Home, read_only: bool = False, wait_s: float = 60) -> Iterator[duckdb.DuckDBPyConnection]:
    """One transaction on the home's warehouse: committed at the end of the block, undone if it raises.

    Waits up to `wait_s` for whoever has the file open. Writing creates the file and applies
    migrations. PonensError if the wait was in vain, if the file is damaged, or if a newer release
    wrote it; UsageError if it is to be read and is not there.
    """
    if read_only and not _there(home):
        raise UsageError(
            "there is no warehouse yet",
            seen=home.warehouse,
            hint="run a recipe in this home: `ponens run RECIPE`",
        )
    until = time.monotonic() + wait_s
    with ExitStack() as stack:
        try:
            stack.enter_context(turn(home.root / "locks" / "warehouse.lock", shared=read_only, wait_s=wait_s))
        except TimeoutError as error:
            raise _busy(home, wait_s, error) from None
        con = stack.enter_context(closing(_open(home, read_only, until, wait_s)))  # what is uncommitted is undone
        _migrate(con, home, read_only)
        con.begin()
        yield con
        con.commit()


def register(home: Home, receipt: Receipt, tables: Mapping[str, str], known: Known = frozenset()) -> None:
    """Put an artifact's rows into the warehouse, all or none; nothing to do if they are there.

    `tables` maps a table to the parquet file in the artifact that fills it; a column of the file
    that the table lacks is an error. Of what is `known` to be there the file is not opened.
    PonensError if a file is missing or does not fit its table.
    """
    if (receipt.artifact, receipt.digest) in known:
        return
    if _there(home):
        with connect(home, read_only=True, wait_s=PATIENCE_S) as con:
            if _known(con, receipt):
                return
    with connect(home, wait_s=PATIENCE_S) as con:
        if _known(con, receipt):
            return
        for table, file in tables.items():
            _fill(con, table, home.root / receipt.artifact / file, receipt.artifact)
        con.execute(
            "insert or replace into artifacts by name select unnest($row)",
            {"row": _artifact_row(receipt)},
        ).fetchall()


def query(home: Home, sql: str, wait_s: float = 60) -> list[dict[str, Any]]:
    """Rows, column by name, of one query over the warehouse's tables and the `ledger`.

    Asks a copy of the warehouse as it is now: a run that writes waits for the copying, a second a
    gigabyte, and not for the query. Reads only, and no other file: neither the SQL nor its mistakes can
    change anything. UsageError with DuckDB's words if the SQL is wrong or there is no warehouse.
    """
    with closing(_copied(home, wait_s)) as con:
        if re.search(r"\bledger\b", sql, re.IGNORECASE):
            _ledger(con, home)
        con.execute("set enable_external_access = false; set lock_configuration = true").fetchall()
        try:
            con.execute(sql)
            return duckdb_rows.rows(con)
        except (duckdb.Error, AttributeError) as error:  # AttributeError: the client, on an empty statement
            said = str(error) if isinstance(error, duckdb.Error) else "an empty statement"
            raise UsageError(
                "the warehouse could not run this", seen=said, hint='`ponens sql "show tables"` lists what is there'
            ) from None


def open_run(home: Home, run_id: str, recipe: str, name: str) -> Known:
    """Note that a run began; its outcome stays null until `close_run`. The artifacts that are registered."""
    with connect(home, wait_s=PATIENCE_S) as con:
        con.execute(
            "insert or replace into runs by name select $run_id as run_id, $recipe as recipe, $name as name, "
            "$now::timestamptz as started_at",
            {"run_id": run_id, "recipe": recipe, "name": name, "now": _now()},
        ).fetchall()
        return frozenset(con.execute("select artifact, digest from artifacts").fetchall())


def close_run(home: Home, run_id: str, outcome: str) -> None:
    """Note how a run ended, such as "done" or "failed"."""
    with connect(home, wait_s=PATIENCE_S) as con:
        con.execute(
            "update runs set outcome = $outcome, finished_at = $now::timestamptz where run_id = $run_id",
            {"run_id": run_id, "outcome": outcome, "now": _now()},
        ).fetchall()


def forget_run(home: Home, run_id: str) -> None:
    """Take a run's row out of the table of runs."""
    with connect(home, wait_s=PATIENCE_S) as con:
        con.execute("delete from runs where run_id = $run_id", {"run_id": run_id}).fetchall()


def _copied(home: Home, wait_s: float) -> duckdb.DuckDBPyConnection:
    """A connection to a copy of the file, whose name is gone again when this returns: a kill leaves nothing."""
    with connect(home, read_only=True, wait_s=wait_s):
        folder = _swept(home.root / "reads")
        try:
            # A log is there if a writer was killed. Closing the file here ends DuckDB's own lock in this
            # process; our turn still keeps the house's writers out.
            for part in (home.warehouse, home.warehouse.with_name(f"{home.warehouse.name}.wal")):
                if part.exists():
                    shutil.copyfile(part, folder / part.name)
            return duckdb.connect(str(folder / home.warehouse.name), read_only=True)
        except OSError as error:
            raise PonensError(
                f"the warehouse {home.warehouse} cannot be copied to be read",
                seen=error,
                hint=f"make room for {home.warehouse.stat().st_size / 1e6:,.0f} MB in {folder.parent}",
            ) from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _swept(reads: Path) -> Path:
    """A new folder in `reads`; what kills left there long ago is gone."""
    reads.mkdir(parents=True, exist_ok=True)
    for left in reads.iterdir():
        with suppress(OSError):  # another reader may be first
            if time.time() - left.stat().st_mtime > _STALE_S:
                shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(dir=reads))


def _open(home: Home, read_only: bool, until: float, wait_s: float) -> duckdb.DuckDBPyConnection:
    if not read_only and not _there(home):
        home.warehouse.unlink(missing_ok=True)
    pause = 0.005
    while True:
        try:
            return duckdb.connect(str(home.warehouse), read_only=read_only)
        except duckdb.Error as error:
            if "Could not set lock" not in str(error):
                raise PonensError(
                    f"the warehouse {home.warehouse} cannot be opened",
                    seen=error,
                    hint="if it is damaged, move it away: the next run fills a new one from the artifacts",
                ) from None
            if time.monotonic() > until:
                raise _busy(home, wait_s, error) from None
        time.sleep(random.uniform(0, pause))
        pause = min(pause * 1.6, 0.25)


def _there(home: Home) -> bool:
    # an empty file is left by whoever was killed while making it
    return home.warehouse.exists() and home.warehouse.stat().st_size > 0


def _busy(home: Home, wait_s: float, seen: object) -> PonensError:
    return PonensError(
        f"the warehouse {home.warehouse} was in use for {wait_s:g} s",
        seen=seen,
        hint="wait for the other process, or end it, and try again",
    )


def _migrate(con: duckdb.DuckDBPyConnection, home: Home, read_only: bool) -> None:
    steps = {int(path.name.split("_")[0]): path for path in sorted(MIGRATIONS.glob("*.sql"))}
    done = {row[0] for row in _of(con, "select number from migrations")}
    if done and max(done) > max(steps):
        raise PonensError(
            f"the warehouse {home.warehouse} was written by a newer release",
            seen=f"schema {max(done)}",
            expected=f"schema {max(steps)} or earlier",
            hint="upgrade ponens, or set PONENS_HOME to another home",
        )
    if read_only or done >= steps.keys():
        return  # what only reads leaves an older schema as it is: the next run brings it up to date
    con.begin()  # all or none: a kill on the way leaves the schema as it was
    con.execute(_CREATE).fetchall()
    for number in sorted(steps.keys() - done):
        con.execute(steps[number].read_text()).fetchall()
        row = [number, steps[number].name, _now()]
        con.execute("insert into migrations values (?, ?, ?::timestamptz)", row).fetchall()
    con.commit()


def _known(con: duckdb.DuckDBPyConnection, receipt: Receipt) -> bool:
    # a numbered artifact may have been deleted and its number given to another: the digest decides
    found = "select 1 from artifacts where artifact = ? and digest = ?"
    return bool(_of(con, found, [receipt.artifact, receipt.digest]))


def _of(con: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any] = ()) -> list[Any]:
    """Rows of a table that may not be there yet."""
    try:
        return con.execute(sql, values).fetchall()
    except duckdb.CatalogException:
        return []


def _fill(con: duckdb.DuckDBPyConnection, table: str, file: Path, artifact: str) -> None:
    try:
        con.execute(f'delete from "{table}" where artifact = ?', [artifact]).fetchall()
        con.execute(
            f'insert into "{table}" by name '
            "select ?::varchar as artifact, * from read_parquet(?, hive_partitioning = false)",
            [artifact, word_for_word(file)],
        ).fetchall()
    except duckdb.Error as error:
        raise PonensError(
            f"{file} does not go into the warehouse's table {table}",
            seen=error,
            hint="run the recipe again with `--refresh` for the step that made it",
        ) from None


def _artifact_row(receipt: Receipt) -> dict[str, Any]:
    return {
        "artifact": receipt.artifact,
        "step": receipt.step,
        "key": receipt.key,
        "digest": receipt.digest,
        "facts": orjson.dumps(receipt.facts, default=str).decode(),
        "seconds": receipt.seconds,
        "made_at": receipt.made_at,
    }


def _ledger(con: duckdb.DuckDBPyConnection, home: Home) -> None:
    """A table `ledger` of this connection: a view would need the files after they are out of reach."""
    files = [word_for_word(path) for path in sorted(home.ledger.glob("*.jsonl")) if path.stat().st_size]
    if not files:
        con.execute(f"create temp table ledger ({', '.join(f'{name} {kind}' for name, kind in _LEDGER.items())})")
        return
    con.execute(
        "create temp table ledger as select * from read_json($files, columns = $columns, "
        "format = 'newline_delimited', hive_partitioning = false, ignore_errors = true) "
        "where key is not null",  # a torn line is all nulls
        {"files": files, "columns": _LEDGER},
    ).fetchall()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
