"""Results of DuckDB as rows: one dict a row, column by name."""

from __future__ import annotations

from typing import Any

import duckdb


def rows(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """All rows of what was executed last; a second column of one name is told apart by its place."""
    found = con.fetchall()
    names: list[str] = []
    for place, column in enumerate(con.description or (), start=1):
        names.append(f"{column[0]}_{place}" if column[0] in names else column[0])
    return [dict(zip(names, row, strict=True)) for row in found]
