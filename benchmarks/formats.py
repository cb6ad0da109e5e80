"""Rows a second and peak memory of every reader's container, at two sizes: memory must not grow with the file.

    make bench NAME=formats
    python benchmarks/formats.py --megabytes 20 200

Each file holds the same kind of generated rows (Alpaca's, some 600 bytes each) and is read in a process of
its own. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import gzip
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
CONTAINERS = ("a.jsonl", "a.json", "a.jsonl.gz", "a.jsonl.zst", "a.csv", "a.parquet", "a.arrow", "a.txt")
_BATCH = 1_000


def rows(megabytes: float) -> Iterator[dict[str, str]]:
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnop", k=chance.randint(2, 9))) for _ in range(5_000)]
    size = 0
    while size < megabytes * 1e6:
        row = {name: " ".join(chance.choices(words, k=k)) for name, k in (("instruction", 20), ("output", 70))}
        size += 600
        yield {**row, "input": ""}


def batches(megabytes: float) -> Iterator[list[dict[str, str]]]:
    batch: list[dict[str, str]] = []
    for row in rows(megabytes):
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch


def write(path: Path, megabytes: float) -> None:
    schema = pa.schema([(name, pa.string()) for name in ("instruction", "output", "input")])
    if path.suffix == ".parquet":
        with pq.ParquetWriter(path, schema) as parquet:  # row groups as large as the libraries make them
            for batch in batches(megabytes):
                parquet.write_table(pa.Table.from_pylist(batch, schema), row_group_size=100_000)
        return
    if path.suffix == ".arrow":
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
            for batch in batches(megabytes):
                stream.write_batch(pa.RecordBatch.from_pylist(batch, schema))
        return
    with opened(path) as file:
        for number, batch in enumerate(batches(megabytes)):
            file.write(rendered(path.name, batch, first=number == 0))
        if path.name == "a.json":
            file.write(b"]")


def opened(path: Path) -> Any:
    if path.suffix == ".gz":
        return gzip.open(path, "wb", compresslevel=1)
    return pa.CompressedOutputStream(str(path), "zstd") if path.suffix == ".zst" else path.open("wb")


def rendered(name: str, batch: list[dict[str, str]], *, first: bool) -> bytes:
    if name == "a.csv":
        return pl.DataFrame(batch).write_csv(include_header=first).encode()
    if name == "a.txt":
        return b"".join(f"{row['output']}\n\n".encode() for row in batch)
    if name == "a.json":
        return (b"[" if first else b",") + orjson.dumps(batch)[1:-1]
    return b"".join(orjson.dumps(row) + b"\n" for row in batch)


def read(path: Path) -> None:
    """In the child: read the file, say how it went."""
    from storage.sources import readers, source

    start_memory, start = peak(), time.perf_counter()
    count = sum(1 for _ in readers.read(source.files([path])))
    print(orjson.dumps([count, time.perf_counter() - start, start_memory, peak()]).decode())


def peak() -> float:
    """MB, of this process alone: `getrusage` counts what its parent had as well."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1e3 if found else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, nargs="+", default=[20, 200], help="size before packing")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        read(given.read)
        return
    print("| container | MB | rows | rows a second | MB of memory before | at its peak |\n|---|---|---|---|---|---|")
    for name in CONTAINERS:
        for megabytes in given.megabytes:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / name
                write(path, megabytes)
                done = subprocess.run(
                    [sys.executable, __file__, "--read", str(path)], cwd=ROOT, env={"PYTHONPATH": str(ROOT)},
                    capture_output=True, text=True, check=True,
                )  # fmt: skip
                count, seconds, before, after = orjson.loads(done.stdout)
                size = path.stat().st_size / 1e6
            print(
                f"| {name} | {size:,.0f} | {count:,} | {count / seconds:,.0f} | {before:.0f} | {after:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
