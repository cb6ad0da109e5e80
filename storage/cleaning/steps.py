"""The steps of cleaning, in SQL: the files of sql/."""

from __future__ import annotations

from pathlib import Path

from storage.sqlfiles import SqlFiles

SQL = SqlFiles(Path(__file__).with_name("sql"))
