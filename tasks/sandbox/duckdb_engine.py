"""DuckDB as the engine of the confined child: an in-memory database that is closed to the world."""

from __future__ import annotations

from typing import Any

import duckdb

from tasks.sandbox.answers import failed, quoted

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


class DuckdbEngine:
    """Runs one SELECT at a time over generated tables."""

    def __init__(self, limits: dict[str, Any]) -> None:
        self._rows = int(limits["rows"])
        self._connection = duckdb.connect(":memory:", config={**_CLOSED, "memory_limit": f"{limits['memory']}B"})
        self._connection.execute("SET disabled_filesystems = 'LocalFileSystem'")
        self._connection.execute("SET lock_configuration = true")

    def fill(self, database: dict[str, Any]) -> None:
        """Leave these tables in the database and no other."""
        connection = self._connection
        connection.execute("BEGIN TRANSACTION")
        for (old,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            connection.execute(f"DROP TABLE {quoted(old)}")
        for table, columns in database["tables"].items():
            chosen = ", ".join(f"unnest(?::{c['stored']}[]) AS {quoted(c['name'])}" for c in columns)
            values = [c["values"] for c in columns]
            connection.execute(f"CREATE TABLE {quoted(table)} AS SELECT {chosen}", values)
        connection.execute("COMMIT")

    def answer(self, sql: str) -> dict[str, Any]:
        """The rows of one query, or why there are none."""
        self._connection.execute("BEGIN TRANSACTION READ ONLY")  # a SELECT may hold an INSERT in its WITH
        try:
            return self._answer(sql)
        finally:
            self._connection.execute("ROLLBACK")

    def _answer(self, sql: str) -> dict[str, Any]:
        try:
            statements = self._connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                return failed("refused", "not one SELECT")
            rows = self._connection.execute(statements[0]).fetchmany(self._rows + 1)
        except (duckdb.OutOfMemoryException, MemoryError) as error:
            return failed("memory", str(error))
        except duckdb.PermissionException as error:
            return failed("refused", str(error))
        except (duckdb.Error, RuntimeError) as error:
            return failed("invalid", str(error))
        if len(rows) > self._rows:
            return failed("memory", f"more than {self._rows} rows")
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
