"""Queries of strangers: each attack fails in the guard, and once more in the sandbox where no guard stands before it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evals.scorers.base import Score
from evals.scorers.execution.databases import Data
from evals.scorers.execution.dialects import DIALECTS
from evals.scorers.execution.schema import Column, Table
from evals.scorers.sql import SqlScorer
from storage.dialogues import Dialogue
from storage.records import Message
from tasks.sandbox.runner import Limits, Sandbox

pytestmark = pytest.mark.process

ATTACKS = [
    "COPY t TO '{folder}/out.csv'",
    "COPY (SELECT 1) TO '{folder}/out.parquet' (FORMAT parquet)",
    "COPY t FROM '/etc/passwd'",
    "ATTACH '{folder}/out.db' AS o",
    "ATTACH '{folder}/out.db' AS o; CREATE TABLE o.x AS SELECT 1",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{folder}/evil.duckdb_extension'",
    "SELECT * FROM 'https://example.com/x.parquet'",
    "SELECT * FROM read_parquet('https://example.com/x.parquet')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_csv_auto('/etc/passwd', sep='|')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_json('/etc/passwd')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    'SELECT * FROM "/etc/passwd"',
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM query('COPY t TO ''{folder}/out.csv''')",
    "SELECT getenv('HOME')",
    "SELECT current_setting('home_directory') FROM getenv('HOME')",
    "PRAGMA database_list",
    "PRAGMA enable_profiling",
    "SET memory_limit = '100GB'",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "SELECT 1; DROP TABLE t",
    "SELECT 1 /* harmless */; COPY t TO '{folder}/out.csv' --",
    "SELECT 1 -- ; harmless\n; ATTACH '{folder}/out.db'",
    "DROP TABLE t",
    "DELETE FROM t",
    "INSERT INTO t VALUES (9, 'x')",
    "UPDATE t SET a = 0",
    "CREATE TABLE u AS SELECT 1",
    "CREATE SECRET s (TYPE s3, KEY_ID 'x', SECRET 'y')",
    "CREATE MACRO m() AS 1",
    "EXPORT DATABASE '{folder}/out'",
    "IMPORT DATABASE '{folder}'",
    "CALL enable_logging(storage = 'file', storage_config = {{'path': '{folder}/out'}})",
    "EXPLAIN ANALYZE COPY t TO '{folder}/out.csv'",
    "EXECUTE x",
    "CHECKPOINT",
    "VACUUM",
    "WITH x AS (INSERT INTO t VALUES (1, 'x') RETURNING a) SELECT * FROM x",
    "WITH x AS MATERIALIZED (DELETE FROM t RETURNING a) SELECT count(*) FROM x",
    "SELECT * FROM parquet_scan('{folder}/*.parquet')",
    "SELECT * FROM read_csv(['/etc/passwd', '/etc/group'])",
    "SELECT * FROM parquet_metadata('/etc/passwd')",
    "SELECT * FROM t, LATERAL (SELECT * FROM read_text('/etc/' || t.b))",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT * FROM sqlite_scan('{folder}/a.db', 't')",
    "SELECT * FROM postgres_scan('host=127.0.0.1', 'public', 't')",
    "SELECT * FROM query_table('/etc/passwd')",
    "FORCE INSTALL spatial FROM 'http://127.0.0.1:9/'",
    "USE o",
    "SET VARIABLE x = (SELECT content FROM read_text('/etc/passwd'))",
    "PREPARE x AS SELECT 1",
    "PIVOT t ON b USING count(a); COPY t TO '{folder}/out.csv'",
    "BEGIN; INSERT INTO t VALUES (1, 'x'); COMMIT",
    "SELECT 1\u037e COPY t TO '{folder}/out.csv'",
    "SELECT 1;\u200bCOPY t TO '{folder}/out.csv'",
    "ＣＯＰＹ t TO '{folder}/out.csv'",
    "SELECT 'x\x00' FROM read_text('/etc/passwd')",
    "SELECT * FROM `/etc/passwd`",
    "SELECT * FROM [/etc/passwd]",
    'SELECT "a" FROM "t"; COPY "t" TO "{folder}/out.csv"',
    'SELECT * FROM "t""; COPY t TO \'{folder}/out.csv\' --"',
]
# no harm where there is nothing to read or reach, so only the guard says no
ONLY_GUARDED = [
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM which_secret('s3://bucket/x', 's3')",
    "SELECT * FROM pg_catalog.pg_tables",
    "SELECT * FROM pg_settings",
    "SELECT current_setting('temp_directory')",
    "SELECT * FROM sqlite_master",
    "SELECT name FROM pragma_table_info('t')",
    "SELECT * FROM main.t",
    "SELECT * FROM duckdb_logs",
    "SELECT * FROM duckdb_functions()",
    "SELECT getvariable('x')",
    "SELECT COLUMNS('a') FROM t",
    "SELECT nextval('s')",
    "SELECT * FROM repeat('x', 3)",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM range(10)",
    "SELECT * FROM pandas_scan(1)",
    "SELECT * FROM t, unnest([1, 2])",
    "VALUES (1)",
    "SELECT random()",
    "SELECT ?",
    "SELECT a FROM t WHERE regexp_matches(b, '(a*)*b')",
]
# SQLite's own ways out, and what it must not tell
SQLITE_ATTACKS = [
    "SELECT load_extension('{folder}/evil.so')",
    "SELECT readfile('/etc/passwd')",
    "SELECT writefile('{folder}/out', 'x')",
    "SELECT edit('x', 'touch {folder}/out')",
    "SELECT fts3_tokenizer('simple')",
    "VACUUM INTO '{folder}/out.db'",
    "ATTACH 'file:{folder}/out.db?mode=rwc' AS o",
    "/* a query */ ATTACH '{folder}/out.db' AS o",
    "PRAGMA writable_schema = 1",
    "PRAGMA temp_store_directory = '{folder}'",
    "PRAGMA journal_mode = WAL",
    "EXPLAIN SELECT a FROM t",
    "EXPLAIN QUERY PLAN SELECT a FROM t",
    "SELECT a FROM t; PRAGMA database_list",
    "SELECT * FROM pragma_database_list",
    "SELECT count(*) FROM pragma_function_list",
    "SELECT count(*) FROM sqlite_master",
    "SELECT sql FROM sqlite_schema",
    "SELECT * FROM sqlite_temp_master",
    "SELECT * FROM dbstat",
    "SELECT count(*) FROM sqlite_stmt",
    "SELECT randomblob(9)",
    "SELECT zeroblob(1000000000)",
    "SELECT sqlite_compileoption_get(1)",
    "CREATE TEMP TABLE u AS SELECT a FROM t",
    "CREATE TEMP VIEW u AS SELECT a FROM t",
    "SELECT name FROM temp.sqlite_master",
    "SELECT length(hex(zeroblob(900000000)))",
    "SELECT datetime(load_extension('{folder}/evil.so'), 'now')",
    "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
    "CREATE VIRTUAL TABLE x USING fts5(a)",
    "INSERT INTO t VALUES (1, 'x') RETURNING a",
    "WITH x AS (SELECT 1) INSERT INTO t SELECT 1, 'x' FROM x",
    "REPLACE INTO t VALUES (1, 'x')",
    "SAVEPOINT x",
    "REINDEX",
    "ANALYZE",
]
SQLITE_BOMBS = [
    "SELECT max(strftime(printf('%.*c', 100000, 'x') || t.b, 'now')) FROM t, t AS u, t AS v",
    "SELECT printf('%.*c', 1000000000, 'x') FROM t",
    "SELECT replace(printf('%.*c', 100000, 'x'), 'x', printf('%.*c', 100000, 'y')) FROM t",
    "SELECT printf('%.*c', 100000, 'a') LIKE '%a%a%a%a%a%a%a%a%a%b' FROM t, t AS u, t AS v",
    "SELECT json_group_array(t0.b || t1.b) FROM " + ", ".join(f"t AS t{i}" for i in range(8)),
    "SELECT count(*) OVER (ORDER BY t0.b, t1.b) FROM " + ", ".join(f"t AS t{i}" for i in range(6)),
]
# DuckDB's by their words; to SQLite no query at all, or one of no harm
NOT_SQLITE = {
    "SELECT repeat(b, 4000000000) FROM t",
    "SELECT count(DISTINCT (t0.a, t1.a, t2.a, t3.a, t4.a)) FROM " + ", ".join(f"t AS t{i}" for i in range(5)),
}
PLAIN_IN_SQLITE = {"SELECT * FROM main.t", "VALUES (1)"}
BOMBS = [
    "SELECT sum(t0.a * t11.a - t5.a) FROM " + ", ".join(f"t AS t{i}" for i in range(12)),
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
    "WITH RECURSIVE r AS (SELECT 'x' AS s UNION ALL SELECT s || s FROM r) SELECT count(*) FROM r",
    "SELECT * FROM " + ", ".join(f"t AS t{i}" for i in range(6)) + " ORDER BY t0.b, t1.b",
    "SELECT group_concat(t0.b) FROM " + ", ".join(f"t AS t{i}" for i in range(8)),
    "SELECT repeat(b, 4000000000) FROM t",
    "SELECT count(DISTINCT (t0.a, t1.a, t2.a, t3.a, t4.a)) FROM " + ", ".join(f"t AS t{i}" for i in range(5)),
]
DATA = Data((Table("t", (Column("a", "number"), Column("b", "text"))),), {"t": (tuple(range(50)), tuple("xy" * 25))})
GOLD = Dialogue(
    (Message("user", "?"), Message("assistant", "SELECT a FROM t")), "sql", {"schema": "CREATE TABLE t (a INT, b TEXT)"}
)


@pytest.fixture(scope="module", params=DIALECTS)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(Limits(seconds=1, memory=64 << 20), request.param) as made:
        yield made


def scored(sandbox: Sandbox, reply: str) -> Score:
    return SqlScorer(sandbox, databases=1, dialect=sandbox.engine).score(reply, GOLD)


@pytest.mark.parametrize("attack", ATTACKS + ONLY_GUARDED)
def test_an_attack_does_not_pass_the_guard(attack: str, sandbox: Sandbox, tmp_path: Path) -> None:
    score = scored(sandbox, attack.format(folder=tmp_path))

    plain = sandbox.engine == "sqlite" and attack in PLAIN_IN_SQLITE
    assert score.outcome in (("wrong",) if plain else ("refused", "invalid")), score
    assert 0.0 == score.value
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_fails_without_the_guard(attack: str, sandbox: Sandbox, tmp_path: Path) -> None:
    (answer,) = sandbox([DATA], [(attack.format(folder=tmp_path), 0)])

    assert answer.failure in ("refused", "invalid"), answer
    assert [] == list(tmp_path.iterdir())
    assert [[50]] == sandbox([DATA], [("SELECT count(*) FROM t", 0)])[0].rows


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_ends_at_a_limit_and_the_next_query_runs(bomb: str, sandbox: Sandbox) -> None:
    (answer,) = sandbox([DATA], [(bomb, 0)])

    nothing = sandbox.engine == "sqlite" and bomb in NOT_SQLITE
    assert answer.failure in (("invalid",) if nothing else ("timeout", "memory")), answer
    assert [[50]] == sandbox([DATA], [("SELECT count(*) FROM t", 0)])[0].rows


@pytest.mark.parametrize("sandbox", ["sqlite"], indirect=True)
@pytest.mark.parametrize("attack", SQLITE_ATTACKS)
def test_sqlite_lets_nothing_out(attack: str, sandbox: Sandbox, tmp_path: Path) -> None:
    (answer,) = sandbox([DATA], [(attack.format(folder=tmp_path), 0)])

    assert answer.failure in ("refused", "invalid"), answer
    assert scored(sandbox, attack.format(folder=tmp_path)).outcome in ("refused", "invalid")
    assert [] == list(tmp_path.iterdir())
    assert [[50]] == sandbox([DATA], [("SELECT count(*) FROM t", 0)])[0].rows


@pytest.mark.parametrize("sandbox", ["sqlite"], indirect=True)
@pytest.mark.parametrize("bomb", SQLITE_BOMBS)
def test_a_bomb_of_sqlite_ends_at_a_limit(bomb: str, sandbox: Sandbox) -> None:
    test_a_bomb_ends_at_a_limit_and_the_next_query_runs(bomb, sandbox)


def test_a_bomb_as_a_prediction_is_scored_as_what_it_is(sandbox: Sandbox) -> None:
    assert scored(sandbox, BOMBS[0]).outcome in ("timeout", "memory")


HOSTILE = {
    "nested": ("SELECT a FROM " + "(SELECT a FROM " * 100 + "t" + ")" * 100, "invalid"),
    "nested deeper": ("SELECT a FROM " + "(SELECT a FROM " * 900 + "t" + ")" * 900, "invalid"),
    "conditions": ("SELECT a FROM t WHERE " + "a=1 OR " * 2000 + "a=2", "refused"),
    "joins": ("SELECT count(*) FROM " + ",".join(f"t x{i}" for i in range(500)), "refused"),
    "half a character": ('SELECT "\ud800" FROM t', "invalid"),
    "no text": ("SELECT \x00a FROM t", "invalid"),
    "right to left": ("SELECT a\u202e FROM t", "invalid"),
    "a position that is none": ("SELECT count(*) FROM t GROUP BY 1.5", "wrong"),
    "beyond numbers": ("SELECT a FROM t WHERE b = 'inf' OR b = 'nan' OR a > 1e999", "wrong"),
    "a quoted name": ('SELECT a AS "b"";DROP TABLE t --" FROM t', "right"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_scored_and_raises_nothing(name: str, sandbox: Sandbox) -> None:
    text, outcome = HOSTILE[name]

    assert outcome == scored(sandbox, text).outcome


def test_a_query_that_failed_does_not_run_again(sandbox: Sandbox) -> None:
    first, again, other = sandbox([DATA, DATA], [(BOMBS[1], 0), (BOMBS[1], 1), ("SELECT count(*) FROM t", 1)])

    assert first is again
    assert [[50]] == other.rows


def test_a_result_that_is_too_large_is_not_taken(sandbox: Sandbox) -> None:
    (answer,) = sandbox([DATA], [("SELECT x.a FROM t x, t y, t z", 0)])

    assert ("memory", "more than 10000 rows") == (answer.failure, answer.reason)


def test_the_child_knows_no_secret_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_API_KEY", "sk-secret")
    with Sandbox() as made:
        made([DATA], [("SELECT 1", 0)])
        assert made._process is not None
        surroundings = Path(f"/proc/{made._process.pid}/environ").read_bytes()

    assert b"sk-secret" not in surroundings


def test_a_child_that_is_killed_takes_one_query_with_it() -> None:
    with Sandbox() as made:
        made([DATA], [("SELECT 1", 0)])
        assert made._process is not None
        os.kill(made._process.pid, signal.SIGKILL)

        assert "memory" == made([DATA], [("SELECT 1", 0)])[0].failure
        assert [[1]] == made([DATA], [("SELECT 1", 0)])[0].rows


_PARENT = """
import sys
from tasks.sandbox.runner import Limits, Sandbox
from tests.tasks.sandbox.test_sandbox import BOMBS, DATA

sandbox = Sandbox(Limits(seconds=300))
sandbox([DATA], [("SELECT 1", 0)])
print(sandbox._process.pid, flush=True)
sandbox([DATA], [(BOMBS[0], 0)])
"""


def test_a_parent_that_is_killed_takes_a_running_query_along() -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = Path(f"/proc/{int(parent.stdout.readline())}")
        time.sleep(0.5)  # the query is under way: it would run for minutes
        assert child.exists()
        parent.kill()

    for _ in range(600):
        if not child.exists():
            break
        time.sleep(0.1)
    assert not child.exists()
