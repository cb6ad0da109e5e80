"""The child's side of `tasks.sandbox.runner`: a JSON line of databases, then one for each query; a line a query out.

Whatever reaches this process is taken for hostile. The operating system bounds memory, processor time and files;
the engine (`sqlite_engine`, `duckdb_engine`) sees no other file, no extension and no setting, and runs one SELECT.
"""

from __future__ import annotations

import os
import queue
import resource
import sys
import threading
from typing import Any, Protocol

import orjson

from tasks.sandbox.answers import failed

_HEADROOM = 512 << 20  # bytes of address space beyond what an engine may fill: its code, stacks, buffers


class Engine(Protocol):
    """A closed database that is filled with one set of tables after the other, and asked."""

    def fill(self, database: dict[str, Any]) -> None:
        """Hold what `runner` sent of this database and nothing else."""

    def answer(self, sql: str) -> dict[str, Any]:
        """The rows of one query, or why there are none."""


def main() -> None:
    """Answer what standard input asks until it ends, which it does when the parent is gone."""
    limits = orjson.loads(sys.argv[1])
    engine = _engine(limits)  # loaded before the address space is bounded
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), name="lifeline", daemon=True).start()
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
            engine.fill(databases[filled])
        reply = orjson.dumps(engine.answer(order["sql"]), default=str)
        if len(reply) > limits["bytes"]:
            reply = orjson.dumps(failed("memory", f"a result over {limits['bytes']} bytes"))
        sys.stdout.buffer.write(reply + b"\n")
        sys.stdout.buffer.flush()


def _engine(limits: dict[str, Any]) -> Engine:
    """The engine of this process, made after the process is confined."""
    if limits["engine"] == "duckdb":
        from tasks.sandbox.duckdb_engine import DuckdbEngine

        confine(limits["memory"])
        return DuckdbEngine(limits)
    from tasks.sandbox.sqlite_engine import SqliteEngine

    confine(limits["memory"])
    return SqliteEngine(limits)


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


if __name__ == "__main__":
    main()
