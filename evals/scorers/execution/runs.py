"""Queries on databases: what came of each, asked for once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from evals.scorers.base import Outcome
from evals.scorers.execution.databases import Data, File
from evals.scorers.execution.results import Rows

Database = Data | File


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one query on one database: rows, or why there are none."""

    rows: Rows = ()
    failure: Outcome | None = None  # invalid, timeout, memory or refused
    reason: str = ""


class Execute(Protocol):
    """Runs queries, each on the database of its index; one that failed is not run again and fails as before."""

    def __call__(self, databases: Sequence[Database], jobs: Sequence[tuple[str, int]]) -> list[Answer]: ...


class Runs:
    """Answers of queries on some databases, and on the same with their rows turned round."""

    def __init__(self, execute: Execute, databases: Sequence[Database], *, real: bool = False) -> None:
        self._execute, self.real = execute, real
        self._databases = [*databases, *(one.turned() for one in databases)]
        self._found: dict[tuple[str, int], Answer] = {}
        self.count = len(databases)

    def fetch(self, plain: Iterable[str], turned: Iterable[str] = ()) -> None:
        """Run these queries on every database, and on every turned one."""
        places = range(self.count)
        jobs = [(sql, i) for i in places for sql in dict.fromkeys(plain)]
        jobs += [(sql, self.count + i) for i in places for sql in dict.fromkeys(turned)]
        self._run([job for job in jobs if job not in self._found])

    def __call__(self, sql: str, place: int, *, turned: bool = False) -> Answer:
        """What came of a query on the database of this place."""
        job = (sql, place + self.count * turned)
        if job not in self._found:
            self._run([job])
        return self._found[job]

    def failure(self, sql: str) -> Answer | None:
        """What went wrong with a query on any of the databases as they are."""
        answers = (self(sql, i) for i in range(self.count))
        return next((answer for answer in answers if answer.failure), None)

    def _run(self, jobs: Sequence[tuple[str, int]]) -> None:
        if jobs:
            self._found.update(zip(jobs, self._execute(self._databases, jobs), strict=True))
