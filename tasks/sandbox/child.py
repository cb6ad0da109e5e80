"""The child's side of `tasks.sandbox.runner`: one JSON line of tables and queries in, one line a query out.

Whatever reaches this process is taken for hostile. DuckDB sees no file, no extension and no setting; the
operating system bounds memory, processor time and files; a statement that is no single SELECT does not run.
"""

from __future__ import annotations

import os
import resource
import sys
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
    """Answer orders until standard input ends."""
    limits = orjson.loads(sys.argv[1])
    confine(limits["memory"])
    connection = closed_database(limits["memory"])
    for line in sys.stdin.buffer:
        order = orjson.loads(line)
        for sql, index in order["jobs"]:
            grant(limits["seconds"])
            fill(connection, order["databases"][index])
            connection.execute("BEGIN TRANSACTION READ ONLY")  # a SELECT may hold an INSERT in its WITH
            reply = orjson.dumps(answer(connection, sql, limits["rows"]), default=str)
            connection.execute("ROLLBACK")
            if len(reply) > limits["bytes"]:
                reply = orjson.dumps({"failure": "memory", "reason": f"a result over {limits['bytes']} bytes"})
            sys.stdout.buffer.write(reply + b"\n")
            sys.stdout.buffer.flush()
            if reply[:10] == b'{"failure"':
                break


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
    for (old,) in connection.execute("SHOW TABLES").fetchall():
        connection.execute(f"DROP TABLE {_name(old)}")
    for table, columns in tables.items():
        declared = ", ".join(f"{_name(name)} {kind}" for name, kind, _ in columns)
        connection.execute(f"CREATE TABLE {_name(table)} ({declared})")
        unnested = ", ".join(f"unnest(?::{kind}[])" for _, kind, _ in columns)
        connection.execute(f"INSERT INTO {_name(table)} SELECT {unnested}", [values for _, _, values in columns])


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
