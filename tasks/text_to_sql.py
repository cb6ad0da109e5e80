"""How a recipe has SQL scored: whose SQL it is, on which databases, by which metric."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from evals.scorers.base import DialectName, Metric, Scorer


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

    @property
    def sql_settings(self) -> dict[str, Any]:
        """What shapes the scores of SQL."""
        return {name: getattr(self, name) for name in SqlSpec.model_fields}

    def scorers(self, stack: ExitStack, count: int) -> Sequence[Scorer]:
        """So many scorers, each with a sandbox of its own that the stack ends."""
        from evals.scorers.sql import SqlScorer  # brings a parser along: not for a plan
        from tasks.sandbox.runner import Sandbox

        return [
            SqlScorer(stack.enter_context(Sandbox(engine=self.dialect)), self.databases, self.dialect, self.metric)
            for _ in range(count)
        ]

    def facts(self) -> dict[str, Any]:
        """What an evaluation says of how SQL was scored."""
        engine = f"SQLite {sqlite3.sqlite_version}" if self.dialect == "sqlite" else "DuckDB"
        return {"sql": {"dialect": self.dialect, "engine": engine, "metric": self.metric}}
