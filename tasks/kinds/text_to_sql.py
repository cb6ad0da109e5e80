"""How a recipe has SQL scored: whose SQL it is, on which databases, by which metric.

Real databases are asked as well as generated ones where they lie beside the rows (`storage.sources.sqlite_files`)
or where [evaluate] databases_at says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from evals.scorers.base import DialectName, Metric
from storage.dialogues import Dialogue
from storage.sources import sqlite_files

if TYPE_CHECKING:
    from evals.scorers.execution.databases import File
    from evals.scorers.sql import SqlScorer
    from tasks.sandbox.runner import Limits


_RIGHT: dict[Metric, str] = {
    "execution": "gives what the reference gives",
    "ex": "gives the rows that the reference gives, by BIRD's EX",
    "exact-set-match": "has the reference's parts, by Spider's exact set match",
    "test-suite": "gives what the reference gives, by Spider's test suite",
}


class SqlSpec(BaseModel):
    """What of [evaluate] is for text-to-SQL."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dialect: DialectName = Field(
        "sqlite", description="For text-to-SQL: whose SQL the queries are; SQLite runs its own, DuckDB its own."
    )
    metric: Metric = Field(
        "execution",
        description="For text-to-SQL: what makes a reply right: our rule, BIRD's or Spider's; all are reported.",
    )
    databases: int = Field(6, ge=1, le=50, description="For text-to-SQL: databases that a question's queries run on.")

    databases_at: str | list[str] | None = Field(
        None,
        description="For text-to-SQL: folders of real databases, NAME/NAME.sqlite in each; by default those beside the "
        "rows, as Spider and BIRD lay them.",
    )

    @property
    def sql_settings(self) -> dict[str, Any]:
        """What shapes the scores of SQL, real databases aside."""
        return {"dialect": self.dialect, "metric": self.metric, "databases": self.databases}

    @property
    def roots(self) -> list[Path]:
        """The folders of real databases."""
        given = [self.databases_at] if isinstance(self.databases_at, str) else self.databases_at or []
        return [Path(root) for root in given]

    def fingerprint(self) -> dict[str, str]:
        """What stands for the real databases among a step's inputs; nothing where there are none."""
        return {"databases": sqlite_files.fingerprint(self.roots)} if self.roots and self.dialect == "sqlite" else {}

    def scorers(self, stack: ExitStack, count: int) -> Sequence[SqlScorer]:
        """So many scorers, each with sandboxes of its own that the stack ends."""
        from evals.scorers.sql import SqlScorer  # brings a parser along: not for a plan
        from tasks.sandbox.runner import Sandbox

        real = bool(self.roots) and self.dialect == "sqlite"
        return [
            SqlScorer(
                stack.enter_context(Sandbox(engine=self.dialect)),
                self.databases,
                self.dialect,
                self.metric,
                self._files,
                stack.enter_context(Sandbox(_real())) if real else None,
            )
            for _ in range(count)
        ]

    def facts(self, dialogues: Iterable[Dialogue]) -> dict[str, Any]:
        """What an evaluation says of how its SQL was scored.

        `real` counts questions by the real database that they were asked on as well, `text` those that nothing could be
        run for.
        """
        import sqlite3  # the command line knows kinds, and waits for no database

        from evals.scorers.execution.schema import readable

        engine = f"SQLite {sqlite3.sqlite_version}" if self.dialect == "sqlite" else "DuckDB"
        real: Counter[str] = Counter()
        text = 0
        for dialogue in dialogues:
            name = str(dialogue.about.get("db_id", ""))
            if self.roots and self.dialect == "sqlite" and self._files(name):
                real[name] += 1
            elif not readable(str(dialogue.about.get("schema", ""))):
                text += 1
        said = {"dialect": self.dialect, "engine": engine, "metric": self.metric, "databases": self.databases}
        return {"sql": {**said, "real": dict(sorted(real.items())), "text": text}, "right": _RIGHT[self.metric]}

    def _files(self, name: str) -> Sequence[File]:
        from evals.scorers.execution.databases import File

        return [File(str(path.resolve())) for path in sqlite_files.named(self.roots, name)]


def _real() -> Limits:
    """What a query may take on a real database: BIRD's 30 seconds, and results of a hundred thousand rows."""
    from tasks.sandbox.runner import Limits

    return Limits(seconds=30, memory=1 << 30, rows=100_000, bytes=128 << 20)


SQLITE = SqlSpec()
