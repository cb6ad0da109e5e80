"""Python's own SQLite as the engine of the confined child.

SQLite itself asks before it reads or calls anything (its authorizer): the given tables may be read, the functions of
`FUNCTIONS` called, and that is all. ATTACH, PRAGMA, EXPLAIN and whatever writes are refused; no extension loads. A
file is opened to be read, as one that never changes, so that not even a lock is taken.
"""

from __future__ import annotations

import re
import sqlite3
import time
from pathlib import Path
from typing import Any

from tasks.sandbox import clock
from tasks.sandbox.answers import failed, quoted

# Of SQLite's own, all that give the same for the same rows. Chance, the connection's state, what allocates at will and
# what extensions add is left out.
_LISTED = """
    -> ->> abs acos acosh asin asinh atan atan2 atanh avg ceil ceiling char coalesce concat concat_ws cos cosh count
    cume_dist current_date current_time current_timestamp date datetime degrees dense_rank exp first_value floor format
    glob group_concat hex ifnull iif instr json json_array json_array_length json_extract json_group_array
    json_group_object json_insert json_object json_patch json_quote json_remove json_replace json_set json_type
    json_valid julianday lag last_value lead length like likelihood likely ln log log10 log2 lower ltrim max min mod
    nth_value ntile nullif octet_length percent_rank pi pow power printf quote radians rank replace round row_number
    rtrim sign sin sinh soundex sqrt strftime string_agg substr substring sum tan tanh time timediff total trim trunc
    typeof unhex unicode unixepoch unlikely upper
"""
FUNCTIONS = frozenset(_LISTED.split())
_BLANK = re.compile(r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/|;)*", re.DOTALL)
_COMMAND = re.compile(
    r"(?:alter|analyze|attach|begin|commit|create|delete|detach|drop|end|explain|insert|pragma|reindex|release|replace"
    r"|rollback|savepoint|update|vacuum)\b",
    re.IGNORECASE,
)
_TYPE = re.compile(r"[A-Za-z][\w ]*(?:\(\s*\d+\s*(?:,\s*\d+\s*)?\))?")
_STEPS = 20_000  # of SQLite's machine between two looks at the clock
_SIZES = {
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 100,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1_000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}


class SqliteEngine:
    """Runs one SELECT at a time over generated tables, or over a file that it cannot change."""

    def __init__(self, limits: dict[str, Any]) -> None:
        self._limits = limits
        with sqlite3.connect(":memory:") as connection:
            connection.execute(f"PRAGMA hard_heap_limit = {limits['memory']}")  # of the whole process
            named = connection.execute("SELECT name FROM pragma_module_list").fetchall()
        self._modules = {str(name).lower() for (name,) in named}
        self._connection = sqlite3.connect(":memory:")
        self._clock = self._opened(":memory:")
        self._names_now = False  # whether 'now' is the clock's on this connection
        self._tables: frozenset[str] = frozenset()
        self._until = 0.0

    def fill(self, database: dict[str, Any]) -> None:
        """Hold these tables, or those of a file, and nothing else. A file that is no database holds none."""
        self._connection.close()
        if file := database.get("file"):
            self._connection = self._opened(f"{Path(file).as_uri()}?mode=ro&immutable=1", uri=True)
            self._connection.execute(f"PRAGMA reverse_unordered_selects = {int(database['turned'])}")
            try:
                named = self._connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
                self._tables = frozenset(str(name).lower() for (name,) in named if not name.startswith("sqlite_"))
            except sqlite3.Error:
                self._tables = frozenset()
        else:
            self._connection = self._opened(":memory:")
            for table, columns in database["tables"].items():
                declared = ", ".join(f"{quoted(c['name'])} {_declared(c)}" for c in columns)
                self._connection.execute(f"CREATE TABLE {quoted(table)} ({declared})")
                rows = zip(*(c["values"] for c in columns), strict=True)
                marks = ", ".join("?" * len(columns))
                self._connection.executemany(f"INSERT INTO {quoted(table)} VALUES ({marks})", rows)
            self._tables = frozenset(name.lower() for name in database["tables"])
        self._names_now = False
        clock.fix(self._connection, self._clock)
        self._connection.set_authorizer(self._permits)
        self._connection.set_progress_handler(lambda: time.process_time() > self._until, _STEPS)

    def answer(self, sql: str) -> dict[str, Any]:
        """The rows of one query, or why there are none."""
        begins = _BLANK.match(sql)
        rest = sql[begins.end() if begins else 0 :]
        if not rest:
            return failed("invalid", "there is no query")
        if command := _COMMAND.match(rest):
            return failed("refused", f"{command[0].upper()} is no query")
        if not self._names_now and clock.names_now(sql):
            clock.fix_named(self._connection, self._clock)
            self._names_now = True
        self._until = time.process_time() + self._limits["seconds"]
        try:
            return self._rows(self._connection.execute(sql))
        except MemoryError:
            return failed("memory", "out of memory")
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
            return failed(_kind(error), str(error))

    def _rows(self, cursor: sqlite3.Cursor) -> dict[str, Any]:
        rows: list[list[object]] = []
        size = 0
        for row in cursor:
            rows.append([_cell(value) for value in row])
            size += sum(len(value) if isinstance(value, str) else 8 for value in rows[-1])
            if len(rows) > self._limits["rows"]:
                return failed("memory", f"more than {self._limits['rows']} rows")
            if size > self._limits["bytes"]:
                return failed("memory", f"a result over {self._limits['bytes']} bytes")
        return {"rows": rows}

    def _opened(self, where: str, *, uri: bool = False) -> sqlite3.Connection:
        connection = sqlite3.connect(where, uri=uri, isolation_level=None, cached_statements=0)
        connection.text_factory = lambda read: read.decode("utf-8", "ignore")  # as the published evaluators read it
        for setting in ("temp_store = MEMORY", "trusted_schema = OFF"):
            connection.execute(f"PRAGMA {setting}")
        for category, most in {**_SIZES, sqlite3.SQLITE_LIMIT_LENGTH: self._limits["bytes"]}.items():
            connection.setlimit(category, most)
        return connection

    def _permits(self, action: int, first: str | None, second: str | None, _: str | None, __: str | None) -> int:
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION:
            return sqlite3.SQLITE_OK if (second or "").lower() in FUNCTIONS else sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_READ:
            table = (first or "").lower()
            # what a query names itself (WITH, a subquery) is asked for without a column
            own = not second and table not in self._modules and not table.startswith(("sqlite_", "pragma_"))
            return sqlite3.SQLITE_OK if table in self._tables or own else sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_DENY


def _kind(error: Exception) -> str:
    said = str(error)
    if "interrupted" in said:
        return "timeout"
    if "prohibited" in said or "not authorized" in said or "one statement" in said:
        return "refused"
    return "memory" if "out of memory" in said or "too big" in said else "invalid"


def _declared(column: dict[str, Any]) -> str:
    """The declared type, which decides a column's affinity, and its collation."""
    kind = column["declared"] if _TYPE.fullmatch(column["declared"]) else ""
    return f"{kind} COLLATE {column['collation']}" if column["collation"] else kind


def _cell(value: object) -> object:
    if value is None or isinstance(value, int | str):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else str(value)  # JSON has no infinity
    return f"x'{value.hex()}'" if isinstance(value, bytes) else str(value)
