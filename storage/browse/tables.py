"""Parquet files of a home, asked in SQL: one DuckDB in memory for all, a page of rows at a time.

    Duck().rows("select count(*) as n from read_parquet($file, …)", {"file": parquet(path)})
    page(duck, file, Wanted(text="lamp", sort="line", page=2))

Artifacts never change, so no lock is taken and no writer waits.
"""

from __future__ import annotations

import re
import threading
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from storage import duckdb_rows
from storage.records import PonensError, UsageError
from storage.sqlfiles import quoted, word_for_word

Row = dict[str, Any]
SIZE = 50  # rows of a page
_MEMORY = "1GB"
_LONG = 400  # characters of a cell
_REMEMBERED = 32  # orders of rows
_SIGNS = re.compile(r"[!-/:-@\[-`{-~]")
T = TypeVar("T")


class Duck:
    """An in-memory DuckDB that reads parquet files. Threads ask at the same time, each with a cursor of its own."""

    def __init__(self) -> None:
        self._con = duckdb.connect(config={"memory_limit": _MEMORY})
        self._con.execute("set parquet_metadata_cache = true").fetchall()
        self._local = threading.local()
        self._kept: dict[Any, Any] = {}
        self._lock = threading.Lock()

    def remembered(self, name: Any, make: Callable[[], T]) -> T:
        """What was made under this name lately, else made now; what is made of artifacts never grows old."""
        with self._lock:
            if name in self._kept:
                kept: T = self._kept[name]
                return kept
        made = make()
        with self._lock:
            while len(self._kept) >= _REMEMBERED:
                self._kept.pop(next(iter(self._kept)))
            self._kept[name] = made
        return made

    def rows(self, sql: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        """All rows of a query. PonensError with DuckDB's words where a file is damaged, gone or of another build."""
        if not hasattr(self._local, "cursor"):
            self._local.cursor = self._con.cursor()
        cursor = self._local.cursor
        try:
            cursor.execute(sql, values or None)
            return duckdb_rows.rows(cursor)
        except duckdb.Error as error:
            raise PonensError(
                "an artifact cannot be read",
                seen=str(error).splitlines()[0],
                expected="the tables that this build writes",
                hint="it is damaged, was removed meanwhile, or another build wrote it: `ponens doctor --deep`",
            ) from None  # fmt: skip


def parquet(*files: Path) -> str:
    """A table function over files, to stand in SQL."""
    named = ", ".join(f"'{quoted(word_for_word(file))}'" for file in files)
    return f"read_parquet([{named}], hive_partitioning = false)"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows: those with all words of `text` in some column and `value` in column `by`; sorted; which page.

    `hidden` is a column, and values of it whose rows are left out.
    """

    text: str = ""
    by: str = ""
    value: str = ""
    sort: str = ""
    down: bool = False
    page: int = 1
    hidden: tuple[str, frozenset[str]] = ("", frozenset())

    def without(self, column: str, values: Iterable[str]) -> Wanted:
        """The same without the rows that have one of these values."""
        return replace(self, hidden=(column, frozenset(values)))


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a page; `total` in all, `matching` what was wanted, `parts` the counts by the column `by`."""

    columns: Sequence[str]
    rows: Sequence[Row]
    total: int
    matching: int
    page: int
    parts: Sequence[tuple[str, int]] = ()

    @property
    def pages(self) -> int:
        return max(1, -(-self.matching // SIZE))


def page(duck: Duck, file: Path, wanted: Wanted, shown: Mapping[str, str] | None = None) -> Page:
    """A page of a parquet file, its own columns or those `shown`, name by SQL; long texts are cut.

    UsageError for a column that it does not have.
    """
    columns = list(shown or [row["column_name"] for row in duck.rows(f"describe select * from {parquet(file)}")])
    for column in (wanted.by, wanted.sort):
        if column and column not in columns:
            raise UsageError("there is no such column", seen=repr(column[:80]), expected=", ".join(columns))
    selected = (
        ", ".join(f'{sql} as "{name}"' for name, sql in shown.items()) if shown else "* exclude (file_row_number)"
    )
    source = (
        f"(select {selected}, file_row_number as place_in_file from "
        f"read_parquet('{quoted(word_for_word(file))}', file_row_number = true, hive_partitioning = false))"
    )
    [total] = duck.rows(f"select count(*) as n from {parquet(file)}")
    if wanted.text or wanted.value or wanted.sort or wanted.hidden[1]:
        places: Sequence[int] = duck.remembered(
            (str(file), file.stat().st_mtime_ns, replace(wanted, page=0)),
            lambda: _places(duck, source, columns, wanted),
        )
    else:
        places = range(total["n"])
    number = min(max(1, wanted.page), max(1, -(-len(places) // SIZE)))
    here = places[(number - 1) * SIZE : number * SIZE]
    cells = ", ".join(f'left({_text(name)}, {_LONG}) as "{name}"' for name in columns)
    inside = f"place_in_file in ({', '.join(map(str, here))})" if here else "false"
    found = {
        row.pop("place_in_file"): row
        for row in duck.rows(f"select {cells}, place_in_file from {source} where {inside}")
    }
    parts = (
        duck.rows(f"select {_text(wanted.by)} as part, count(*) as n from {source} group by 1 order by 2 desc limit 40")
        if wanted.by
        else []
    )
    rows = [found[place] for place in here if place in found]
    return Page(columns, rows, total["n"], len(places), number, [(str(p["part"]), p["n"]) for p in parts])


def _places(duck: Duck, source: str, columns: Sequence[str], wanted: Wanted) -> Sequence[int]:
    """Where in the file the wanted rows stand, in their order."""
    where, values = ["true"], dict[str, Any]()
    for n, word in enumerate(wanted.text.split()):
        where.append(f"({' or '.join(f'regexp_matches({_text(c)}, $word{n})' for c in columns)})")
        values[f"word{n}"] = pattern(word)
    if wanted.by and wanted.value:
        where.append(f"{_text(wanted.by)} = $value")
        values["value"] = wanted.value
    column, hidden = wanted.hidden
    if hidden:
        where.append(f"not list_contains($hidden, {_text(column)})")
        values["hidden"] = sorted(hidden)
    order = f't."{wanted.sort}" {"desc" if wanted.down else "asc"} nulls last, ' if wanted.sort else ""
    rows = duck.rows(
        f"select list(place_in_file order by {order}place_in_file) as places from {source} t "
        f"where {' and '.join(where)}",
        values,
    )
    return array("q", rows[0]["places"] or [])


def pattern(word: str) -> str:
    """A regular expression of DuckDB's for a word in any case: half the time of lower-casing every text."""
    return "(?i)" + _SIGNS.sub(r"\\\g<0>", word)


def count(duck: Duck, file: Path) -> int | None:
    """How many rows a file has; None where it cannot be read."""
    try:
        return int(duck.rows(f"select count(*) as n from {parquet(file)}")[0]["n"])
    except PonensError:
        return None


def _text(column: str) -> str:
    return f'"{column}"::varchar'
