"""The parent's side of the sandbox: a child process that runs queries and is replaced when one goes astray.

    with Sandbox() as sandbox:
        SqlScorer(sandbox).score(prediction, gold)

The child gets an empty environment (no key of a teacher is in it), an empty standard error, limits on memory,
processor time and size of answers, and on top of them the parent's patience: it is killed when a query takes
far longer on the wall than it may take of a processor. A child that dies takes nothing with it but its query.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson

import tasks
from evals.scorers.base import DialectName
from evals.scorers.execution.clues import is_date
from evals.scorers.execution.databases import File, Value
from evals.scorers.execution.runs import Answer, Database
from evals.scorers.execution.schema import Column

_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may take: processor seconds, bytes of memory, rows, bytes of its answer as JSON."""

    seconds: int = 5
    memory: int = 256 << 20
    rows: int = 10_000
    bytes: int = 8 << 20

    @property
    def patience(self) -> float:
        """Seconds on the wall: a busy machine gives a process a share of a processor."""
        return 10.0 + 6 * self.seconds


class _Gone(Exception):
    """The child ended or was ended before it answered."""


class Sandbox:
    """Runs queries on generated data or files. For one thread; several threads take a sandbox each."""

    def __init__(self, limits: Limits = Limits(), engine: DialectName = "sqlite") -> None:
        self.limits, self.engine = limits, engine
        self._process: subprocess.Popen[bytes] | None = None
        self._read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(self, databases: Sequence[Database], jobs: Sequence[tuple[str, int]]) -> list[Answer]:
        """One answer a job: a query and a database's index. Jobs of one database should be neighbours.

        A query that failed is not run again: its further jobs get the same answer.
        """
        order = orjson.dumps({"databases": [_sent(one) for one in databases]}) + b"\n"
        failed: dict[str, Answer] = {}
        answers: list[Answer] = []
        known: subprocess.Popen[bytes] | None = None
        for sql, index in jobs:
            answer = failed.get(sql)
            if answer is None:
                try:
                    if known is None or known is not self._process:
                        self._send(order)
                        known = self._process
                    self._send(orjson.dumps({"sql": sql, "database": index}) + b"\n")
                    answer = _answer(orjson.loads(self._line()))
                except _Gone:
                    answer = self._obituary()
                if answer.failure:
                    failed[sql] = answer
            answers.append(answer)
        return answers

    def close(self) -> None:
        """End the child."""
        if self._process is None:
            return
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process, self._read = None, b""

    def _child(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            house = str(Path(str(tasks.__file__)).resolve().parents[1])
            limits = {name: getattr(self.limits, name) for name in ("seconds", "memory", "rows", "bytes")}
            limits["engine"] = self.engine
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tasks.sandbox.child", orjson.dumps(limits).decode()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={
                    "PYTHONPATH": house,
                    "HOME": "/nonexistent",
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "TZ": "UTC",  # 'localtime' is the same on every machine
                    "MALLOC_ARENA_MAX": "1",  # or each thread reserves 64 MiB of the address space it may have
                },
                start_new_session=True,
            )
        return self._process

    def _send(self, line: bytes) -> None:
        stream = self._child().stdin
        assert stream is not None
        try:
            stream.write(line)
            stream.flush()
        except BrokenPipeError:
            raise _Gone from None

    def _line(self) -> bytes:
        stream = self._child().stdout
        assert stream is not None
        until = time.monotonic() + self.limits.patience
        while b"\n" not in self._read:
            ready, _, _ = select.select([stream], [], [], max(0.0, until - time.monotonic()))
            chunk = os.read(stream.fileno(), _CHUNK) if ready else b""
            if not chunk:
                raise _Gone
            self._read += chunk
        line, _, self._read = self._read.partition(b"\n")
        return line

    def _obituary(self) -> Answer:
        """Why the child is no more. It is gone after this; the next query gets another."""
        process = self._child()
        code = process.poll()
        if code is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(timeout=1)
        self.close()
        if code is None:
            return Answer(failure="timeout", reason=f"no answer within {self.limits.patience:.0f} s")
        if code == -signal.SIGXCPU:
            return Answer(failure="timeout", reason=f"over {self.limits.seconds} s of processor time")
        return Answer(failure="memory", reason=f"the process that ran it ended with code {code}")


def _answer(reply: dict[str, Any]) -> Answer:
    return Answer(reply.get("rows", ()), reply.get("failure"), reply.get("reason", ""))


def _sent(database: Database) -> dict[str, Any]:
    """A database as the child takes it."""
    if isinstance(database, File):
        return {"file": database.path, "turned": database.reverse}
    return {"tables": {t.name: _columns(t.columns, database.columns[t.name]) for t in database.tables}}


def _columns(columns: Sequence[Column], values: Sequence[Sequence[Value]]) -> list[dict[str, Any]]:
    return [
        {
            "name": column.name,
            "declared": column.declared,
            "collation": column.collation,
            "stored": _stored(column, held),
            "values": held,
        }
        for column, held in zip(columns, values, strict=True)
    ]


def _stored(column: Column, values: Sequence[Value]) -> str:
    """DuckDB's type of a column."""
    if column.kind == "number":
        return "DOUBLE" if column.real or any(isinstance(v, float) for v in values) else "BIGINT"
    days = all(v is None or is_date(str(v)) for v in values)
    if column.dated and days and column.declared != "TIME":
        return "TIMESTAMP" if "TIME" in column.declared else "DATE"
    return "VARCHAR"
