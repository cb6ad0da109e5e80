"""Run a file of sql/."""

from __future__ import annotations

from pathlib import Path

import duckdb

from storage.records import digest

SQL = Path(__file__).with_name("sql")
VERSION = digest([file.read_text("utf-8") for file in sorted(SQL.glob("*.sql"))])[:16]


def run(con: duckdb.DuckDBPyConnection, name: str, **values: float) -> None:
    """Run the statements of sql/NAME.sql in order; each is given those of `values` that it asks for."""
    for statement in duckdb.extract_statements((SQL / f"{name}.sql").read_text("utf-8")):
        wanted = {key: value for key, value in values.items() if f"${key}" in statement.query}
        con.execute(statement, wanted or None).fetchall()
