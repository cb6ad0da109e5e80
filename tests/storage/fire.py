"""Processes that write to one warehouse and are killed at random, while another one reads.

    python -m tests.storage.fire --processes 8 --transactions 200 --kills 200 [--seed 1]

Each writer registers artifacts of several rows one by one and says so when each is done. A killed writer
is started again with what it had not said yet. The reader must never see a part of an artifact, nor fewer
rows than were there when it asked. Prints one JSON object; exit code 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage import warehouse
from storage.home import Home
from storage.records import Receipt

ROOT = Path(__file__).resolve().parents[2]
ROWS = 3
TABLES = {"drops": "drops.parquet", "rejects": "rejects.parquet"}
WHOLE = """
select (select count(*) from artifacts) as artifacts,
  (select count(*) from (select artifact from drops group by 1 having count(*) <> $rows)) as torn,
  (select count(*) from artifacts a where not exists (select 1 from drops d where d.artifact = a.artifact)) as empty,
  (select count(*) from drops) as drops, (select count(*) from rejects) as rejects
""".replace("$rows", str(ROWS))


def register(home: Home, number: int) -> None:
    """Register artifact `number`; all artifacts share the content of one folder."""
    receipt = Receipt("assemble", str(number), str(number), f"artifacts/fire/{number}", {}, {}, 0.0, "2026-01-01")
    warehouse.register(home, receipt, TABLES)


def prepare(home: Home, count: int) -> None:
    """The artifacts: links to one folder, for what counts is the rows in the warehouse."""
    import polars as pl  # not for the writers, which start again and again

    shelf = home.root / "artifacts" / "fire"
    one = home.root / "one"
    one.mkdir(parents=True)
    shelf.mkdir(parents=True)
    pl.DataFrame({"question": ["q"] * ROWS, "reason": ["fire"] * ROWS}).write_parquet(one / "drops.parquet")
    frame = pl.DataFrame({"file": ["f"] * ROWS, "line": [1] * ROWS, "field": ["x"] * ROWS, "reason": ["fire"] * ROWS})
    frame.write_parquet(one / "rejects.parquet")
    for number in range(count):
        (shelf / str(number)).symlink_to(one)


@dataclass
class Writer:
    """A process that registers `numbers`, started again after each kill with those that it has not told."""

    home: Path
    numbers: list[int]
    told: list[int] = field(default_factory=list)
    stderr: str = ""
    kills: int = 0
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        left = [str(n) for n in self.numbers if n not in set(self.told)]
        command = [sys.executable, "-m", "tests.storage.fire", "--write", str(self.home), *left]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)

    def kill(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.kills += 1

    def run(self) -> None:
        """Until every number is told, or the process ends of itself with an error."""
        while len(self.told) < len(self.numbers):
            self.start()
            assert self.process and self.process.stdout and self.process.stderr
            for line in self.process.stdout:
                self.told.append(int(line))
            self.stderr += self.process.stderr.read()
            if self.process.wait() not in (0, -signal.SIGKILL):
                return


def read(home: Home, stop: threading.Event, told: Any, seen: list[dict[str, Any]]) -> None:
    """Ask again and again; note what was there, and how much had been told before the asking."""
    while not stop.is_set():
        before = told()
        if home.warehouse.exists() and before:
            start = time.monotonic()
            row = warehouse.query(home, WHOLE)[0]
            seen.append({**row, "told_before": before, "seconds": time.monotonic() - start})
        stop.wait(0.05)


def fire(folder: Path, processes: int, transactions: int, kills: int, seed: int = 1) -> dict[str, Any]:
    """Run it with at most so many kills, a second or so apart, and say what was found."""
    home, rng = Home(folder), random.Random(seed)
    total = processes * transactions
    prepare(home, total)
    writers = [Writer(folder, list(range(i, total, processes))) for i in range(processes)]
    stop, seen = threading.Event(), list[dict[str, Any]]()
    threads = [threading.Thread(target=writer.run) for writer in writers]
    reader = threading.Thread(target=read, args=(home, stop, lambda: sum(len(w.told) for w in writers), seen))
    start = time.monotonic()
    for thread in (*threads, reader):
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(rng.uniform(0.2, 2.0))
        if sum(writer.kills for writer in writers) < kills:
            rng.choice(writers).kill()
    seconds = time.monotonic() - start
    stop.set()
    reader.join()
    told = {number for writer in writers for number in writer.told}
    rows = warehouse.query(home, "select artifact, count(*) as n from drops group by 1")
    there = {int(row["artifact"].rpartition("/")[2]): row["n"] for row in rows}
    return {
        "processes": processes,
        "transactions": total,
        "told": len(told),
        "kills": sum(writer.kills for writer in writers),
        "lost": len(told - there.keys()),
        "torn": sum(n != ROWS for n in there.values()),
        "reads": len(seen),
        "torn_reads": sum(bool(row["torn"] or row["empty"] or row["drops"] != row["rejects"]) for row in seen),
        "stale_reads": sum(row["artifacts"] < row["told_before"] for row in seen),
        "slowest_read_s": round(max((row["seconds"] for row in seen), default=0.0), 2),
        "stderr": "".join(writer.stderr for writer in writers)[-2000:],
        "ms_per_transaction": round(1000 * seconds / total, 1),
        "seconds": round(seconds, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--transactions", type=int, default=200, help="of each process")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        home, *numbers = given.write
        for number in map(int, numbers):
            register(Home(Path(home)), number)
            print(number, flush=True)
        return 0
    folder = Path(tempfile.mkdtemp())
    try:
        found = fire(folder, given.processes, given.transactions, given.kills, given.seed)
    finally:
        shutil.rmtree(folder)
    print(json.dumps(found, indent=2))
    return int(bool(found["lost"] or found["torn"] or found["torn_reads"] or found["stale_reads"] or found["stderr"]))


if __name__ == "__main__":
    sys.exit(main())
