"""SQL that lies in files of its own, to be read and run by anyone.

SQL = SqlFiles(Path(__file__).with_name("sql"))
SQL.run(con, "1_standing", near=0.9)     its statements in order
SQL.text("2_told")                       a query, to be part of another
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import duckdb

from storage.records import digest


def quoted(path: Path | str) -> str:
    """A path as it stands within quotes in SQL."""
    return str(path).replace("'", "''")


def word_for_word(path: Path | str) -> str:
    """A path as DuckDB's functions that read files are to be given it, as a value or, `quoted`, within SQL.

    They take it for a pattern: the folder "a[1]" is not found, and "a?" is its neighbour "ab" as well. What reads a
    whole folder adds its own pattern behind. They also make a column of every folder named like "team=x", unless
    `hive_partitioning` is off.
    """
    return re.sub(r"[*?\[]", r"[\g<0>]", str(path))


@dataclass(frozen=True, slots=True)
class SqlFiles:
    """The files `*.sql` of one folder."""

    folder: Path

    @property
    def version(self) -> str:
        """16 hex digits: the identity of all files, part of the key of whatever runs them."""
        return digest([file.read_text("utf-8") for file in sorted(self.folder.glob("*.sql"))])[:16]

    def text(self, name: str) -> str:
        return (self.folder / f"{name}.sql").read_text("utf-8")

    def run(self, con: duckdb.DuckDBPyConnection, name: str, **values: float) -> None:
        """Run the statements of NAME.sql in order; each is given those of `values` that it asks for."""
        for statement in duckdb.extract_statements(self.text(name)):
            wanted = {key: value for key, value in values.items() if f"${key}" in statement.query}
            con.execute(statement, wanted or None).fetchall()
