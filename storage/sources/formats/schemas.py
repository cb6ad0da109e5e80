"""Schemas in a file beside the questions, as Spider has them: CREATE TABLE statements are made of their lists.

    tables.json     [{"db_id": "dogs", "table_names_original": ["dog"], "column_names_original": [[-1, "*"], …], …}]

CSpider, DuSQL and NL2SQL call it db_schema.json, BIRD dev_tables.json and train_tables.json. It names one column of a
composite key, so a schema made of it states no primary key.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from storage.sources.formats.base import Cells, Fault, listed, said, text
from storage.sources.source import COMPANIONS

SCHEMAS = COMPANIONS
TABLE_NAMES = {"table_names", "table_names_original"}
_WORD = re.compile(r"\w+")


def schema_of(database: str, folder: Path) -> str:
    """The schema of a database as statements, from the file of schemas in `folder`. Fault if there is none."""
    paths = [folder / name for name in SCHEMAS if (folder / name).is_file()]
    if not paths:
        raise Fault("db_id", f"no {SCHEMAS[0]} lies beside the file (nor {', '.join(SCHEMAS[1:])})")
    for path in paths:
        try:
            schemas = _read_schemas(path, path.stat().st_mtime_ns)
        except (OSError, orjson.JSONDecodeError, TypeError) as error:
            raise Fault("db_id", f"{path.name} beside the file cannot be read: {error}") from None
        if database in schemas:
            return schemas[database]
    names = " or ".join(path.name for path in paths)
    raise Fault("db_id", f"no schema {database[:40]!r} in {names} beside the file")


@lru_cache(maxsize=4)
def _read_schemas(path: Path, changed: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in orjson.loads(path.read_bytes()):
        try:
            found[text(row, "db_id")] = ddl(row)
        except Fault:
            continue  # its questions are rejected: there is no such schema
    return found


def ddl(row: Cells) -> str:
    """Spider's schema object as CREATE TABLE statements. Fault where its lists do not fit each other."""
    try:
        tables, columns = (listed(row, _own(row, name)) for name in ("table_names", "column_names"))
        kinds = listed(row, "column_types")
        parts: list[list[str]] = [[] for _ in tables]
        for (table, column), kind in zip(columns, kinds, strict=True):
            if table >= 0:  # the first is "*", of no table
                parts[table].append(f"{_name(column)} {str(kind).upper()}")
        for one, other in listed(row, "foreign_keys"):
            (here, column), (there, target) = columns[one], columns[other]
            parts[here].append(f"FOREIGN KEY ({_name(column)}) REFERENCES {_name(tables[there])}({_name(target)})")
    except (TypeError, ValueError, IndexError):
        raise Fault("column_names_original", "lists of tables, columns and types that do not fit each other") from None
    made = (f"CREATE TABLE {_name(name)} ({', '.join(inside)})" for name, inside in zip(tables, parts, strict=True))
    return said("; ".join(made), "table_names_original")


def _own(row: Cells, name: str) -> str:
    """The database's own names, where the file has others for people beside them."""
    return f"{name}_original" if f"{name}_original" in row else name


def _name(name: Any) -> str:
    return str(name) if _WORD.fullmatch(str(name)) else '"' + str(name).replace('"', '""') + '"'
