r"""Text to SQL, three ways to write it down.

    {"question": "…", "context": "CREATE TABLE …", "answer": "SELECT …"}      sql
    {"db_id": "…", "question": "…", "query": "SELECT …"}                      spider: `tables.json` lies beside it
    {"text": "table: …\ncolumns: …\nQ: …\nA: SELECT …"}                       wikisql-text

The user says the schema and, below it, the question; the assistant says the query as the source has it.
Questions of one database (`db_id`, else the schema) are never split apart. Spider's `tables.json`
names one column of a composite key, so a schema made of it states no primary key. It can itself be
read (spider-tables): a text for each schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from storage.dialogues import Dialogue, Text
from storage.formats.base import At, Cells, Fault, Format, listed, named, optional, said, text
from storage.records import Message

TABLES = "tables.json"
_BLOCK = re.compile(r"table: (?P<table>.*)\ncolumns: (?P<columns>.*)\nQ: (?P<question>.*)\nA: (?P<answer>.*)")
_WORD = re.compile(r"\w+")


def _with_schema(row: Cells) -> bool:
    context = row.get("context")
    return {"question", "answer"} <= set(row) and isinstance(context, str) and "create table" in context.lower()


def _contexts(row: Cells, at: At) -> Iterator[Dialogue]:
    database = optional(row, "db_id")
    yield _dialogue(at, text(row, "context"), text(row, "question"), text(row, "answer"), database, named(row, "id"))


def _spider(row: Cells, at: At) -> Iterator[Dialogue]:
    database = text(row, "db_id")
    schemas = _schemas(at.folder)
    if database not in schemas:
        raise Fault("db_id", f"no schema {database[:40]!r} in {TABLES} beside the file")
    yield _dialogue(at, schemas[database], text(row, "question"), text(row, "query"), database, "")


def is_block(row: Cells) -> bool:
    """A text of WikiSQL's four lines."""
    return set(row) == {"text"} and isinstance(row["text"], str) and bool(_BLOCK.fullmatch(row["text"]))


def _blocks(row: Cells, at: At) -> Iterator[Dialogue]:
    hit = _BLOCK.fullmatch(text(row, "text"))
    if not hit:
        raise Fault("text", "not the four lines table, columns, Q and A")
    table, columns, question, answer = (said(hit[n].strip(), n) for n in ("table", "columns", "question", "answer"))
    # names are unquoted and COUNT has no brackets: no database runs it
    yield _dialogue(at, f"table: {table}\ncolumns: {columns}", question, answer, table, "", notes=("inexact-sql",))


def _dialogue(
    at: At, schema: str, question: str, query: str, database: str, id: str, notes: tuple[str, ...] = ()
) -> Dialogue:
    return Dialogue(
        (Message("user", f"{schema}\n\n{question}"), Message("assistant", query)),
        "sql",
        {"schema": schema, "db_id": database, "question": question},
        database or schema,
        id,
        at.file,
        at.line,
        notes=notes,
        context=schema,
    )


def _tables(row: Cells, at: At) -> Iterator[Text]:
    yield Text(_ddl(row), topic=text(row, "db_id"), source_id=text(row, "db_id"), file=at.file, line=at.line)


def _schemas(folder: Path) -> dict[str, str]:
    path = folder / TABLES
    try:
        return _read_schemas(path, path.stat().st_mtime_ns)
    except OSError:
        raise Fault("db_id", f"no {TABLES} lies beside the file") from None
    except (orjson.JSONDecodeError, TypeError) as error:
        raise Fault("db_id", f"{TABLES} beside the file cannot be read: {error}") from None


@lru_cache(maxsize=4)
def _read_schemas(path: Path, changed: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in orjson.loads(path.read_bytes()):
        try:
            found[text(row, "db_id")] = _ddl(row)
        except Fault:
            continue  # its questions are rejected: there is no such schema
    return found


def _ddl(row: Cells) -> str:
    """Spider's schema object as CREATE TABLE statements. Fault where its lists do not fit each other."""
    try:
        tables, columns = listed(row, "table_names_original"), listed(row, "column_names_original")
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


def _name(name: Any) -> str:
    return str(name) if _WORD.fullmatch(str(name)) else '"' + str(name).replace('"', '""') + '"'


FORMATS = (
    Format("sql", _with_schema, _contexts),
    Format("spider", lambda row: {"db_id", "question", "query"} <= set(row), _spider),
    Format("wikisql-text", is_block, _blocks),
    Format("spider-tables", lambda row: {"db_id", "table_names_original"} <= set(row), _tables),
)
