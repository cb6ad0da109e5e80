"""What parsing leaves: records of one type, rejects and drops as parquet files of an artifact.

    rejects.parquet     file, line, field, reason
    drops.parquet       question (the record's id), reason, file, line, and what it repeats: other, other_file,
                        other_line, similarity, evidence

and the records themselves in a file of their type (`questions`, `dialogue_files`). What stays is in the order of the
sources: of several records that say the same, the first, or the first with a key.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Generic

import duckdb
import polars as pl
import pyarrow.parquet as pq

from storage.cleaning.clean import Rules, clean, sign
from storage.cleaning.compare import Comparison, R
from storage.dialogues import Record
from storage.records import Rejected, Split
from storage.sqlfiles import quoted, word_for_word

DROPS = "drops.parquet"
REJECTS = "rejects.parquet"
MEMORY = "600MB"  # what DuckDB may take before it spills to the folder of the parts
COMMON: dict[str, Any] = dict.fromkeys(("id", "group", "split"), pl.String)
_BESIDE: dict[str, Any] = {"position": pl.Int64, "same": pl.String, "asks": pl.String}  # in the parts alone
_REJECT: dict[str, Any] = {"file": pl.String, "line": pl.Int64, "field": pl.String, "reason": pl.String}
_REJECTS = """
copy (from read_parquet('{parts}/rejects-*.parquet', hive_partitioning = false))
to '{out}' (format parquet, compression zstd)
"""
_DROPS = "copy drops to '{out}' (format parquet, compression zstd)"
# what a reader of the artifact can see, whatever wrote its bytes
_CONTENT = """
select sha256(coalesce(string_agg(line, chr(10) order by line), '')) from (
  select to_json([{identity}])::varchar as line from read_parquet($records, hive_partitioning = false)
  union all select to_json([file, line::varchar, field, reason])::varchar
  from read_parquet($rejects, hive_partitioning = false)
  union all select to_json([question, reason, file, line::varchar, other])::varchar
  from read_parquet($drops, hive_partitioning = false)
)
"""
_STATISTICS = """
select language, count(*), count(distinct "group"), quantile_disc(characters, 0.5), quantile_disc(characters, 0.95),
  max(characters)
from (select language, "group", {length} as characters from read_parquet($records, hive_partitioning = false))
group by language order by language
"""


@dataclass(frozen=True, slots=True)
class Table(Generic[R]):
    """Records of one type as rows of a parquet file.

    `columns` of the file begin with id, group and split; `values` gives those after them, and those of
    `scratch`, which cleaning alone reads. The rest is SQL over them: `view` adds `asked` and `answered`,
    `identity` is all of a row that counts, as texts, and `length` its characters. `names` are what its
    rows and its groups are called, `batch` how many rows are in memory at once.
    """

    record: type[R]
    file: str
    columns: Mapping[str, Any]
    scratch: Mapping[str, Any]
    values: Callable[[Sequence[R]], Mapping[str, Any]]
    comparison: Comparison[R]
    view: str
    identity: str
    length: str
    names: tuple[str, str]
    batch: int


def write(
    table: Table[R],
    folder: Path,
    found: Iterable[R | Rejected],
    split_of: Callable[[str], Split],
    rules: Rules,
    against: Iterable[Record],
    left_out: Mapping[str, str] | None = None,
) -> tuple[str, dict[str, Any]]:
    """Stream records and rejects into the three files of `folder`; a group's split is `split_of(group)`.

    `against` are records of evaluation sets, which nothing that stays may repeat; `left_out` are reasons by the ids of
    records that go whatever they say, and may grow while `found` is walked. Returns the digest of
    the files' logical content, and facts: `splits`, `dropped` by reason, and by language `lengths` in
    characters.
    """
    parts = folder / "parts"
    shutil.rmtree(parts, ignore_errors=True)  # of a try that was killed
    parts.mkdir()
    for number, batch in enumerate(_batches(found, table.batch)):
        good = [(position, one.group, one) for position, one in batch if isinstance(one, table.record)]
        bad = [{name: getattr(r, name) for name in _REJECT} for _, r in batch if isinstance(r, Rejected)]
        frame = _frame(table, good, split_of, rules, parts, number)
        frame.write_parquet(parts / f"records-{number:06}.parquet", compression="lz4")
        pl.DataFrame(bad, _REJECT).write_parquet(parts / f"rejects-{number:06}.parquet")
    with duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(parts / "spilled")}) as con:
        found_in = quoted(word_for_word(parts))
        files = f"read_parquet('{found_in}/records-*.parquet', hive_partitioning = false)"
        con.execute(f"create view rows as select *, {table.view} from {files}").fetchall()
        clean(con, parts, table.comparison, rules, against, left_out)
        con.execute(_REJECTS.format(parts=found_in, out=quoted(folder / REJECTS))).fetchall()
        con.execute(_DROPS.format(out=quoted(folder / DROPS))).fetchall()
        _stay(table, parts, con.sql("from kept").pl(), folder / table.file)
        told = _told(table, con, folder)
    shutil.rmtree(parts)  # last: until then DuckDB may spill into it
    return told


def _batches(found: Iterable[R | Rejected], size: int) -> Iterator[list[tuple[int, R | Rejected]]]:
    numbered = enumerate(found)
    batch = list(islice(numbered, size))
    yield batch  # a source with nothing in it still makes two tables
    while batch := list(islice(numbered, size)):
        yield batch


def _frame(
    table: Table[R],
    batch: Sequence[tuple[int, str, R]],
    split_of: Callable[[str], Split],
    rules: Rules,
    parts: Path,
    number: int,
) -> pl.DataFrame:
    records = [record for _, _, record in batch]
    words = sign(table.comparison, batch, rules, parts, number)
    columns = {
        "id": [record.id for record in records],
        "group": [group for _, group, _ in batch],
        "split": [split_of(group) for _, group, _ in batch],
        "position": [position for position, _, _ in batch],
        "same": [one.digest for one in words],
        "asks": [one.asks for one in words],
        **table.values(records),
    }
    schema = {**table.columns, **table.scratch, **_BESIDE}
    return pl.DataFrame(columns, {name: schema[name] for name in columns}).select(*schema)


def _stay(table: Table[R], parts: Path, kept: pl.DataFrame, out: Path) -> None:
    """The rows of the parts that are kept, in their order and with their split; in memory is one part."""
    names = list(table.columns)
    schema = pl.DataFrame(schema=dict(table.columns)).to_arrow().schema
    with pq.ParquetWriter(out, schema, compression="zstd") as file:
        for part in sorted(parts.glob("records-*.parquet")):
            rows = pl.read_parquet(part, glob=False, columns=[name for name in names if name != "split"] + ["position"])
            mine = kept.filter(pl.col("position").is_between(rows["position"].min(), rows["position"].max()))
            file.write_table(rows.join(mine, on="position", maintain_order="left").select(names).to_arrow())


def _told(table: Table[R], con: duckdb.DuckDBPyConnection, folder: Path) -> tuple[str, dict[str, Any]]:
    records = word_for_word(folder / table.file)
    files = {"records": records, "rejects": word_for_word(folder / REJECTS), "drops": word_for_word(folder / DROPS)}
    [[identity]] = con.execute(_CONTENT.format(identity=table.identity), files).fetchall()
    splits = dict(con.execute("select split, count(*) from read_parquet(?) group by 1", [records]).fetchall())
    dropped = con.execute("select reason, count(*) from drops group by all order by all").fetchall()
    lengths = con.execute(_STATISTICS.format(length=table.length), {"records": records}).fetchall()
    names = (*table.names, "median", "p95", "longest")
    return identity, {
        "splits": {name: splits.get(name, 0) for name in ("train", "valid", "test")},
        "dropped": dict(dropped),
        "lengths": {language: dict(zip(names, row, strict=True)) for language, *row in lengths},
    }
