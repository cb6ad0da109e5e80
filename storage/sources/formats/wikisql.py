"""WikiSQL as it was published: a query is numbers of columns, operators and aggregates of one table.

    {"table_id": "1-1", "question": "…", "sql": {"sel": 0, "agg": 3, "conds": [[1, 0, "x"]]}}
    {"question": "…", "table": {"id": "1-1", "header": ["…"], "types": ["text"]}, "sql": {…}}    on the hub

The tables of a file lie beside it, `dev.tables.jsonl` beside `dev.jsonl`. Queries are written with quoted names over
the table `data`, so that a database runs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from storage.dialogues import Dialogue
from storage.records import Message
from storage.sources.formats.base import At, Cells, Fault, Format, kind, said, text
from storage.sources.source import WIKISQL

_AGGREGATES = ("", "MAX", "MIN", "COUNT", "SUM", "AVG")
_OPERATORS = ("=", ">", "<")
_NAME = "data"


def sniff(row: Cells) -> bool:
    """A question and a query in numbers."""
    sql = row.get("sql")
    return isinstance(sql, dict) and {"sel", "agg", "conds"} <= sql.keys() and ("table_id" in row or "table" in row)


def records(row: Cells, at: At) -> Iterator[Dialogue]:
    """The question of a row, with the statement that makes its table above it."""
    table = row["table"] if isinstance(row.get("table"), dict) else _tables(at).get(str(row.get("table_id")))
    if not isinstance(table, dict):
        raise Fault("table_id", f"no table {str(row.get('table_id'))[:40]!r} in {_beside(at).name} beside the file")
    schema, question = _schema(table), text(row, "question")
    database = str(table.get("id") or row.get("table_id") or schema)
    yield Dialogue(
        (Message("user", f"{schema}\n\n{question}"), Message("assistant", said(_query(row.get("sql"), table), "sql"))),
        "sql",
        {"schema": schema, "db_id": database, "question": question},
        database,
        "",
        at.file,
        at.line,
        context=schema,
    )


def _schema(table: Mapping[str, Any]) -> str:
    header, types = table.get("header"), table.get("types")
    if not isinstance(header, list) or not isinstance(types, list) or len(header) != len(types) or not header:
        raise Fault("table", "expected as many types as names of columns")
    columns = (
        f"{_quoted(name)} {'REAL' if kind == 'real' else 'TEXT'}" for name, kind in zip(header, types, strict=True)
    )
    return said(f"CREATE TABLE {_NAME} ({', '.join(columns)})", "table.header")


def _query(sql: object, table: Mapping[str, Any]) -> str:
    if not isinstance(sql, dict):
        raise Fault("sql", f"expected an object, found {kind(sql)}")
    try:
        column = _quoted(table["header"][_number(sql["sel"])])
        aggregate = _AGGREGATES[_number(sql["agg"])]
        where = " AND ".join(_condition(*parts, table) for parts in _conditions(sql["conds"]))
    except (IndexError, KeyError, TypeError, ValueError):
        raise Fault("sql", "numbers of columns, operators or aggregates that there are not") from None
    selected = f"{aggregate}({column})" if aggregate else column
    return f"SELECT {selected} FROM {_NAME}" + (f" WHERE {where}" if where else "")


def _conditions(conds: Any) -> list[tuple[int, int, Any]]:
    """As triples; the hub has a list of each of the three."""
    if isinstance(conds, dict):
        lists = (conds["column_index"], conds["operator_index"], conds["condition"])
        return list(zip(*lists, strict=True))
    return [(column, operator, value) for column, operator, value in conds]


def _condition(column: int, operator: int, value: Any, table: Mapping[str, Any]) -> str:
    name, real = table["header"][_number(column)], table["types"][_number(column)] == "real"
    number = isinstance(value, int | float) or (real and _is_number(value))
    literal = str(value).replace(",", "") if number else "'" + str(value).replace("'", "''") + "'"
    return f"{_quoted(name)} {_OPERATORS[_number(operator)]} {literal}"


def _is_number(value: object) -> bool:
    try:
        float(str(value).replace(",", ""))
    except ValueError:
        return False
    return True


def _number(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError(value)
    return value


def _quoted(name: object) -> str:
    return '"' + str(name).replace('"', '""') + '"'


def _beside(at: At) -> Path:
    stem = Path(at.file).name.split(".")[0]
    return at.folder / f"{stem}{WIKISQL}"


def _tables(at: At) -> Mapping[str, Any]:
    path = _beside(at)
    try:
        return _read_tables(path, path.stat().st_mtime_ns)
    except OSError:
        raise Fault("table_id", f"no {path.name} lies beside the file") from None
    except (orjson.JSONDecodeError, TypeError, AttributeError) as error:
        raise Fault("table_id", f"{path.name} beside the file cannot be read: {error}") from None


@lru_cache(maxsize=4)
def _read_tables(path: Path, changed: int) -> Mapping[str, Any]:
    lines = (orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip())
    return {str(table.get("id")): {"header": table.get("header"), "types": table.get("types")} for table in lines}


FORMAT = Format("wikisql", sniff, records)
