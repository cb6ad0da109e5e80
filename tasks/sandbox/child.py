"""The child's side of `tasks.sandbox.runner`: a JSON line of databases, then one for each query; a line a query out.

Whatever reaches this process is taken for hostile. DuckDB sees no file, no extension and no setting; the
operating system bounds memory, processor time and files; a statement that is no single SELECT does not run.
"""

from __future__ import annotations

import os
import queue
import resource
import sys
import threading
from typing import Any

import duckdb
import orjson

_HEADROOM = 512 << 20  # bytes of address space beyond what DuckDB may fill: its code, stacks, buffers
_CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
    "max_temp_directory_size": "0B",
    "threads": "1",
    "async_threads": "1",  # each thread's stack counts as address space
}


def main() -> None:
    """Answer what standard input asks until it ends, which it does when the parent is gone."""
    limits = orjson.loads(sys.argv[1])
    confine(limits["memory"])
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), name="lifeline", daemon=True).start()
    connection = closed_database(limits["memory"])
    databases: list[Any] = []
    filled: int | None = None
    while True:
        order = orjson.loads(lines.get())
        if "databases" in order:
            databases, filled = order["databases"], None
            continue
        grant(limits["seconds"])
        if order["database"] != filled:
            filled = order["database"]
            fill(connection, databases[filled])
        connection.execute("BEGIN TRANSACTION READ ONLY")  # a SELECT may hold an INSERT in its WITH
        reply = orjson.dumps(answer(connection, order["sql"], limits["rows"]), default=str)
        connection.execute("ROLLBACK")
        if len(reply) > limits["bytes"]:
            reply = orjson.dumps({"failure": "memory", "reason": f"a result over {limits['bytes']} bytes"})
        sys.stdout.buffer.write(reply + b"\n")
        sys.stdout.buffer.flush()


def _listen(lines: queue.SimpleQueue[bytes]) -> None:
    """Pass lines on while a query runs, so that the end of the parent ends the query too."""
    for line in sys.stdin.buffer:
        lines.put(line)
    os._exit(0)


def confine(memory: int) -> None:
    """Bound this process: no file may grow, no core is written, address space ends above what it has now."""
    pages = int(open("/proc/self/statm").read().split()[0])  # noqa: SIM115 - two lines later no file opens at all
    space = pages * os.sysconf("SC_PAGE_SIZE") + memory + _HEADROOM
    for what, most in (
        (resource.RLIMIT_AS, space),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def grant(seconds: int) -> None:
    """Let the process run so many more seconds of processor time; the kernel ends it after that."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def closed_database(memory: int) -> duckdb.DuckDBPyConnection:
    """An empty in-memory database, closed to the world."""
    connection = duckdb.connect(":memory:", config={**_CLOSED, "memory_limit": f"{memory}B"})
    connection.execute("SET disabled_filesystems = 'LocalFileSystem'")
    connection.execute("SET lock_configuration = true")
    return connection


def fill(connection: duckdb.DuckDBPyConnection, tables: dict[str, list[tuple[str, str, list[Any]]]]) -> None:
    """Leave these tables (name: columns of name, type and values) in the database and no other."""
    connection.execute("BEGIN TRANSACTION")
    for (old,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
        connection.execute(f"DROP TABLE {_name(old)}")
    for table, columns in tables.items():
        chosen = ", ".join(f"unnest(?::{kind}[]) AS {_name(name)}" for name, kind, _ in columns)
        connection.execute(f"CREATE TABLE {_name(table)} AS SELECT {chosen}", [values for _, _, values in columns])
    connection.execute("COMMIT")


def answer(connection: duckdb.DuckDBPyConnection, sql: str, most: int) -> dict[str, Any]:
    """The rows of one query, or why there are none."""
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            return _failed("refused", "not one SELECT")
        rows = connection.execute(statements[0]).fetchmany(most + 1)
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        return _failed("memory", str(error))
    except duckdb.PermissionException as error:
        return _failed("refused", str(error))
    except (duckdb.Error, RuntimeError) as error:
        return _failed("invalid", str(error))
    if len(rows) > most:
        return _failed("memory", f"more than {most} rows")
    return {"rows": [[_cell(value) for value in row] for row in rows]}


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value if abs(value) < 2**63 else float(value)
    if value is None or isinstance(value, str):
        return value
    try:
        number = float(value)  # type: ignore[arg-type]  # a decimal, too
    except (TypeError, ValueError):
        return str(value)
    return number if number - number == 0 else str(number)  # JSON has no infinity


def _failed(kind: str, reason: str) -> dict[str, Any]:
    return {"failure": kind, "reason": reason.splitlines()[0][:300] if reason else kind}


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


if __name__ == "__main__":
    main()
