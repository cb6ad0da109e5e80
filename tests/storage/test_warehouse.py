"""The warehouse: rows go in once, many can ask, and nobody sees half of anything."""

import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import polars as pl
import pytest

from storage import warehouse
from storage.home import Home
from storage.records import PonensError, Receipt, UsageError
from tests.storage.fire import fire

ROOT = Path(__file__).resolve().parents[2]
connect = warehouse.connect
TABLES = {"drops": "drops.parquet"}


def artifact(home: Home, number: int, rows: int = 2, digest: str = "") -> Receipt:
    """An artifact of `rows` drops, and the receipt of the step that made it."""
    name = f"artifacts/snapshots/{number:04}"
    (home.root / name).mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame({"question": [f"{number}-{i}" for i in range(rows)], "reason": ["duplicate"] * rows})
    frame.write_parquet(home.root / name / "drops.parquet")
    made_at = "2026-01-01T00:00:00+00:00"
    return Receipt("assemble", f"key{number}", digest or f"digest{number}", name, {"n": number}, {}, 0.5, made_at)


def count(home: Home, table: str = "drops") -> int:
    return warehouse.query(home, f"select count(*) as n from {table}")[0]["n"]


def test_an_artifact_is_registered_once(tmp_path):
    home = Home(tmp_path)
    receipt = artifact(home, 1)

    warehouse.register(home, receipt, TABLES)
    warehouse.register(home, receipt, TABLES)

    assert count(home) == 2
    assert warehouse.query(home, "select artifact, step, facts->>'n' as n from artifacts") == [
        {"artifact": receipt.artifact, "step": "assemble", "n": "1"}
    ]


def test_a_registered_artifact_is_found_while_another_process_only_reads(tmp_path):
    home = Home(tmp_path)
    warehouse.register(home, artifact(home, 1), TABLES)

    with duckdb.connect(str(home.warehouse), read_only=True):  # a writer would have to wait for this one
        start = time.monotonic()
        warehouse.register(home, artifact(home, 1), TABLES)

    assert time.monotonic() - start < 5


def test_for_what_a_run_knows_to_be_there_the_file_is_not_opened(tmp_path, monkeypatch):
    home = Home(tmp_path)
    warehouse.register(home, artifact(home, 1), TABLES)
    known = warehouse.open_run(home, "run", "{}", "demo")
    opened = []
    monkeypatch.setattr(warehouse, "connect", lambda *given, **named: opened.append(given) or connect(*given, **named))

    warehouse.register(home, artifact(home, 1), TABLES, known)
    assert opened == []
    warehouse.register(home, artifact(home, 1, digest="another"), TABLES, known)
    warehouse.register(home, artifact(home, 2), TABLES, known)
    monkeypatch.undo()
    assert opened
    assert count(home) == 4


def test_a_number_given_to_another_adapter_replaces_its_rows(tmp_path):
    home = Home(tmp_path)
    warehouse.register(home, artifact(home, 1, rows=2), TABLES)

    warehouse.register(home, artifact(home, 1, rows=3, digest="another"), TABLES)

    assert count(home) == 3
    assert count(home, "artifacts") == 1


@pytest.mark.parametrize("empty", [False, True])
def test_a_deleted_warehouse_is_filled_again(tmp_path, empty):
    home = Home(tmp_path)
    receipt = artifact(home, 1)
    warehouse.register(home, receipt, TABLES)
    home.warehouse.unlink()
    if empty:  # whoever made it anew was killed at once
        home.warehouse.touch()

    warehouse.register(home, receipt, TABLES)

    assert count(home) == 2


@pytest.mark.parametrize("damage", ["gone", "torn", "misfit"])
def test_a_torn_artifact_is_never_visible(tmp_path, damage):
    home = Home(tmp_path)
    receipt = artifact(home, 1)
    tables = {**TABLES, "rejects": "rejects.parquet"}  # the second table fails, the first goes with it
    file = home.root / receipt.artifact / "rejects.parquet"
    if damage == "torn":
        file.write_bytes((file.parent / "drops.parquet").read_bytes()[:-20])
    if damage == "misfit":
        pl.DataFrame({"surprise": [1]}).write_parquet(file)

    with pytest.raises(PonensError, match=r"rejects\.parquet"):
        warehouse.register(home, receipt, tables)

    assert (count(home), count(home, "artifacts")) == (0, 0)


def test_eight_threads_register_at_once(tmp_path):
    home = Home(tmp_path)
    receipts = [artifact(home, i % 8) for i in range(16)]  # each twice

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda receipt: warehouse.register(home, receipt, TABLES), receipts))

    assert (count(home), count(home, "artifacts")) == (16, 8)


REGISTER = """
import sys
from pathlib import Path
from storage import warehouse
from storage.home import Home
from storage.records import Receipt

for number in sys.argv[2:]:
    name = f"artifacts/snapshots/{number}"
    receipt = Receipt("assemble", number, number, name, {}, {}, 0.5, "2026-01-01T00:00:00+00:00")
    warehouse.register(Home(Path(sys.argv[1])), receipt, {"drops": "drops.parquet"})
    print(name, flush=True)
"""


@pytest.mark.process
def test_four_killed_processes_lose_no_row_that_they_were_told_is_there(tmp_path):
    home = Home(tmp_path)
    names = [Path(artifact(home, number).artifact).name for number in range(200)]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", REGISTER, str(tmp_path), *names[i::4]], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for i in range(4)
    ]
    told = [process.stdout.readline().strip() for process in writers for _ in range(2)]
    for process in writers:
        process.kill()
    told += [line.strip() for process in writers for line in process.communicate()[0].splitlines()]

    rows = warehouse.query(home, "select artifact, count(*) as n from drops group by all")

    assert set(told) <= {row["artifact"] for row in rows}
    assert {row["n"] for row in rows} == {2}  # a killed transaction leaves all of its rows or none


def test_a_query_waits_for_a_writer_and_sees_what_it_wrote(tmp_path):
    home = Home(tmp_path)
    warehouse.register(home, artifact(home, 1), TABLES)
    writing = threading.Event()

    def write() -> None:
        with warehouse.connect(home) as con:
            con.execute("insert into drops (artifact, question, reason) values ('a', 'q', 'held')").fetchall()
            writing.set()
            time.sleep(0.3)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(write)
        writing.wait(10)
        found = count(home)
        done.result()

    assert found == 3


def test_whoever_waits_in_vain_is_told_who_holds_it(tmp_path):
    home = Home(tmp_path)
    warehouse.register(home, artifact(home, 1), TABLES)
    hold = "import duckdb, sys, time; con = duckdb.connect(sys.argv[1]); print(1, flush=True); time.sleep(60)"
    held = subprocess.Popen([sys.executable, "-c", hold, str(home.warehouse)], stdout=subprocess.PIPE)
    held.stdout.readline()
    try:
        with pytest.raises(PonensError, match=rf"in use for 0.2 s(.|\n)*PID {held.pid}"):
            warehouse.query(home, "select 1", wait_s=0.2)
    finally:
        held.kill()
        held.wait()


def test_a_block_that_raises_leaves_nothing(tmp_path):
    home = Home(tmp_path)
    with pytest.raises(RuntimeError), warehouse.connect(home) as con:
        con.execute("insert into drops (artifact, question, reason) values ('a', 'q', 'r')").fetchall()
        raise RuntimeError

    assert count(home) == 0


def test_a_warehouse_of_a_newer_release_is_refused(tmp_path):
    home = Home(tmp_path)
    with warehouse.connect(home) as con:
        con.execute("insert into migrations values (9999, '9999_later.sql', now())").fetchall()

    for read_only in (True, False):
        with pytest.raises(PonensError, match="newer release"), warehouse.connect(home, read_only=read_only):
            pass


def test_each_migration_is_applied_once(tmp_path):
    home = Home(tmp_path)
    for _ in range(2):
        with warehouse.connect(home) as con:
            found = con.execute("select number from migrations order by 1").fetchall()

    assert found == [(int(path.name[:4]),) for path in sorted(warehouse.MIGRATIONS.glob("*.sql"))]


def test_a_warehouse_of_the_previous_schema_is_read_as_it_is_and_brought_up_to_date_by_the_next_run(tmp_path):
    home = Home(tmp_path)
    *earlier, last = sorted(warehouse.MIGRATIONS.glob("*.sql"))
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute("create table migrations (number integer primary key, name varchar, applied_at timestamptz)")
        for path in earlier:
            con.execute(path.read_text()).fetchall()
            con.execute("insert into migrations values (?, ?, now())", [int(path.name[:4]), path.name]).fetchall()
        con.execute("insert into runs (run_id, name) values ('old', 'logic')").fetchall()

    before = warehouse.query(home, "select max(number) as schema from migrations")
    warehouse.register(home, artifact(home, 1), TABLES)

    assert before == [{"schema": int(earlier[-1].name[:4])}]
    assert warehouse.query(home, "select max(number) as schema from migrations") == [{"schema": int(last.name[:4])}]
    assert warehouse.query(home, "select run_id from runs") == [{"run_id": "old"}]
    assert count(home) == 2
    with warehouse.connect(Home(tmp_path / "new")), warehouse.connect(home):
        pass
    tables = "select table_name, column_name, data_type from duckdb_columns() order by all"
    assert warehouse.query(home, tables) == warehouse.query(Home(tmp_path / "new"), tables)


def test_a_damaged_warehouse_says_how_to_get_a_new_one(tmp_path):
    home = Home(tmp_path)
    home.warehouse.write_bytes(b"not a database" * 1000)

    with pytest.raises(PonensError, match="move it away"):
        warehouse.query(home, "select 1")


def test_a_home_without_a_warehouse_says_what_to_run(tmp_path):
    with pytest.raises(UsageError, match="ponens run"):
        warehouse.query(Home(tmp_path), "select 1")


@pytest.mark.parametrize(
    "sql",
    [
        "selec 1",
        "select * from nowhere",
        "",
        "-- nothing",
        "delete from drops",
        "drop table drops",
        "select * from read_csv('/etc/hosts')",
        "copy drops to 'drops.csv'",
        "attach 'other.duckdb'",
        "set enable_external_access = true",
        "install httpfs",
    ],
)
def test_a_query_that_is_wrong_or_would_do_more_than_read_is_refused(tmp_path, sql, monkeypatch):
    monkeypatch.chdir(tmp_path)
    home = Home(tmp_path)
    warehouse.register(home, artifact(home, 1), TABLES)

    with pytest.raises(UsageError):
        warehouse.query(home, sql)

    assert count(home) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"warehouse.duckdb", "artifacts", "locks", "reads"}


def test_columns_of_one_name_are_all_there(tmp_path):
    home = Home(tmp_path)
    warehouse.register(home, artifact(home, 1), TABLES)

    assert warehouse.query(home, "select 1 as a, 2 as a, 3 as b") == [{"a": 1, "a_2": 2, "b": 3}]


def test_the_ledger_is_a_table_of_its_whole_lines(tmp_path):
    home = Home(tmp_path)
    warehouse.register(home, artifact(home, 1), TABLES)
    assert warehouse.query(home, "select key, cost from ledger") == []

    home.ledger.mkdir()
    (home.ledger / "1.jsonl").write_text('{"key": "a", "cost": 0.5, "tokens": {"in": 3, "out": 4}}\n{"key": "b", "co')
    (home.ledger / "2.jsonl").write_text('{"key": "c", "unheard_of": 1}\n')

    assert warehouse.query(home, 'select key, cost, tokens."out" as out from Ledger order by key') == [
        {"key": "a", "cost": 0.5, "out": 4},
        {"key": "c", "cost": None, "out": None},
    ]


def test_a_run_has_a_beginning_and_an_end(tmp_path):
    home = Home(tmp_path)

    warehouse.open_run(home, "r1", "{}", "logic")
    before = warehouse.query(home, "select name, outcome from runs")
    warehouse.close_run(home, "r1", "done")

    assert before == [{"name": "logic", "outcome": None}]
    assert warehouse.query(home, "select outcome, finished_at >= started_at as ordered from runs") == [
        {"outcome": "done", "ordered": True}
    ]


@pytest.mark.process
def test_killed_writers_lose_nothing_they_told_of_and_a_reader_sees_no_half(tmp_path):
    found = fire(tmp_path, processes=8, transactions=5, kills=8)

    assert found["kills"] > 0
    assert found["reads"] > 0
    assert (found["told"], found["lost"], found["torn"]) == (40, 0, 0)
    assert (found["torn_reads"], found["stale_reads"], found["stderr"]) == (0, 0, "")


@pytest.mark.process
def test_a_writer_does_not_wait_for_a_long_query(tmp_path):
    home = Home(tmp_path)
    warehouse.register(home, artifact(home, 1), TABLES)
    ask = f"warehouse.query(Home(Path({str(tmp_path)!r})), 'select sum(i % 7) from range(1000000000000) t(i)')"
    code = f"from pathlib import Path; from storage import warehouse; from storage.home import Home; {ask}"
    reader = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        reads = tmp_path / "reads"
        until = time.monotonic() + 60
        while not (reads.exists() and not any(reads.iterdir())):  # until the copy is made
            assert time.monotonic() < until
            time.sleep(0.01)
        with warehouse.connect(home, wait_s=30) as con:
            con.execute("insert into drops (artifact, question, reason) values ('a', 'q', 'r')").fetchall()

        assert reader.poll() is None
        assert count(home) == 3
    finally:
        reader.kill()
        reader.wait()


def test_a_reader_sees_what_a_killed_writer_had_written(tmp_path):
    home = Home(tmp_path)
    warehouse.register(home, artifact(home, 1), TABLES)
    write = (
        "import duckdb, os, sys; con = duckdb.connect(sys.argv[1]); "
        "con.execute(\"insert into drops (artifact, question, reason) values ('a', 'q', 'r')\").fetchall(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", write, str(home.warehouse)])

    assert home.warehouse.with_name("warehouse.duckdb.wal").exists()  # else this tests nothing
    assert count(home) == 3


def test_what_a_killed_reader_left_is_gone_an_hour_later(tmp_path):
    home = Home(tmp_path)
    warehouse.register(home, artifact(home, 1), TABLES)
    (tmp_path / "reads" / "old").mkdir(parents=True)
    os.utime(tmp_path / "reads" / "old", (1, 1))
    (tmp_path / "reads" / "new").mkdir()
    count(home)

    assert [path.name for path in (tmp_path / "reads").iterdir()] == ["new"]


def test_a_disk_too_full_for_a_copy_is_named(tmp_path):
    home = Home(tmp_path)
    warehouse.register(home, artifact(home, 1), TABLES)
    code = (
        "import resource, signal; from pathlib import Path; from storage import warehouse; from storage.home import Home\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        f"warehouse.query(Home(Path({str(tmp_path)!r})), 'select 1')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    assert "cannot be copied" in done.stderr
    assert "make room for" in done.stderr
    assert count(home) == 2


def test_a_kill_in_the_middle_of_a_migration_leaves_the_schema_as_it_was(tmp_path):
    home = Home(tmp_path)
    steps = tmp_path / "steps"
    shutil.copytree(warehouse.MIGRATIONS, steps)
    (steps / "9000_slow.sql").write_text(
        "create table later (n integer); create table never as select sum(i % 7) from range(1000000000000) t(i)"
    )
    code = (
        f"from pathlib import Path; from storage import warehouse; from storage.home import Home\n"
        f"warehouse.MIGRATIONS = Path({str(steps)!r})\n"
        f"with warehouse.connect(Home(Path({str(tmp_path)!r}))): pass"
    )
    writer = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not (home.warehouse.exists() and home.warehouse.stat().st_size):
            assert time.monotonic() < until
            time.sleep(0.01)
        with pytest.raises(subprocess.TimeoutExpired):  # it is at work on the last statement
            writer.wait(1)
    finally:
        writer.kill()
        writer.wait()

    warehouse.register(home, artifact(home, 1), TABLES)
    tables = {row["name"] for row in warehouse.query(home, "show tables")}

    assert count(home) == 2
    assert not tables & {"later", "never"}
    assert count(home, "migrations") == len(list(warehouse.MIGRATIONS.glob("*.sql")))


def test_a_warehouse_of_an_older_release_is_brought_up_to_date_with_its_rows(tmp_path, monkeypatch):
    home = Home(tmp_path)
    steps = tmp_path / "steps"
    steps.mkdir()
    shutil.copy(warehouse.MIGRATIONS / "0001_tables.sql", steps)
    with monkeypatch.context() as older:
        older.setattr(warehouse, "MIGRATIONS", steps)
        with warehouse.connect(home) as con:
            con.execute("insert into examples (artifact, id) values ('a', 'x')").fetchall()
    with warehouse.connect(home):
        pass

    assert warehouse.query(home, "select id, shuffle from examples") == [{"id": "x", "shuffle": 0}]
