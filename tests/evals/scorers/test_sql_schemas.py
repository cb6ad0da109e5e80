"""Schemas as people have them: each is read, golds over it run, right replies are right and wrong ones wrong."""

from collections.abc import Iterator

import pytest

from evals.scorers.sql import SqlScorer
from storage.dialogues import Dialogue
from storage.records import Message
from tasks.sandbox.runner import Sandbox

pytestmark = pytest.mark.process
# schema, gold, a right reply, a wrong one
SCHEMAS = {
    "a key of two columns": (
        "CREATE TABLE seat (hall INT, number INT, price REAL, PRIMARY KEY (hall, number))",
        "SELECT hall, count(*) FROM seat GROUP BY hall",
        "SELECT hall, count(number) FROM seat GROUP BY 1",
        "SELECT number, count(*) FROM seat GROUP BY number",
    ),
    "a foreign key of two columns": (
        "CREATE TABLE seat (hall INT, number INT, PRIMARY KEY (hall, number));"
        "CREATE TABLE sale (id INTEGER PRIMARY KEY, hall INT, number INT, FOREIGN KEY (hall, number) REFERENCES seat (hall, number))",
        "SELECT s.hall FROM sale s JOIN seat t ON s.hall = t.hall AND s.number = t.number",
        "SELECT s.hall FROM seat t, sale s WHERE s.number = t.number AND s.hall = t.hall",
        "SELECT s.hall FROM sale s JOIN seat t ON s.hall = t.hall",
    ),
    "a table that refers to itself": (
        "CREATE TABLE emp (id INTEGER PRIMARY KEY, name TEXT, boss INTEGER REFERENCES emp(id))",
        "SELECT e.name, b.name FROM emp e JOIN emp b ON e.boss = b.id",
        "SELECT e.name, b.name FROM emp b JOIN emp e ON b.id = e.boss",
        "SELECT e.name, b.name FROM emp e JOIN emp b ON e.boss = b.boss",
    ),
    "two tables that refer to each other": (
        "CREATE TABLE a (id INTEGER PRIMARY KEY, b_id INT REFERENCES b(id)); CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INT REFERENCES a(id))",
        "SELECT a.id FROM a JOIN b ON a.b_id = b.id",
        "SELECT id FROM a WHERE b_id IN (SELECT id FROM b)",
        "SELECT id FROM a",
    ),
    "reserved words for names": (
        'CREATE TABLE "order" (id INTEGER PRIMARY KEY, "group" TEXT, "select" INT, "from" TEXT, "index" INT)',
        'SELECT "group" FROM "order" WHERE "select" > 3',
        'SELECT o.[group] FROM `order` o WHERE NOT o."select" <= 3',
        'SELECT "from" FROM "order" WHERE "select" > 3',
    ),
    "spaces, dashes, percents and dots in names": (
        'CREATE TABLE "my shops" ("shop id" INTEGER PRIMARY KEY, "Percent (%) Eligible" REAL, "no. of-staff" INT)',
        'SELECT "shop id" FROM "my shops" WHERE "Percent (%) Eligible" > 0.5',
        "SELECT s.`shop id` FROM `my shops` AS s WHERE 0.5 < s.`Percent (%) Eligible`",
        'SELECT "shop id" FROM "my shops" WHERE "no. of-staff" > 0.5',
    ),
    "quotes in names": (
        'CREATE TABLE t ("it\'s" INT, "say ""hi""" TEXT)',
        'SELECT "say ""hi""" FROM t WHERE "it\'s" = 3',
        'SELECT [say "hi"] FROM t WHERE `it\'s` = 3',
        'SELECT "it\'s" FROM t WHERE "it\'s" = 3',
    ),
    "names that are no ASCII": (
        "CREATE TABLE 学生 (学号 INTEGER PRIMARY KEY, 姓名 TEXT, 年龄 INT); CREATE TABLE größe (ü TEXT)",
        "SELECT 姓名 FROM 学生 WHERE 年龄 > 20",
        'SELECT s."姓名" FROM 学生 s WHERE NOT s.年龄 <= 20',
        "SELECT 姓名 FROM 学生 WHERE 年龄 < 20",
    ),
    "a column named as its table, and a table named as a function": (
        "CREATE TABLE date (date DATE, year INT, count INT); CREATE TABLE name (name TEXT)",
        "SELECT date FROM date WHERE year = 2014",
        "SELECT date.date FROM date WHERE date.year = 2014",
        "SELECT count FROM date WHERE year = 2014",
    ),
    "WITHOUT ROWID": (
        "CREATE TABLE w (code TEXT PRIMARY KEY, n INT) WITHOUT ROWID",
        "SELECT code FROM w WHERE n > 3",
        "SELECT code FROM w WHERE NOT n <= 3",
        "SELECT code FROM w WHERE n >= 3",
    ),
    "STRICT": (
        "CREATE TABLE s (id INTEGER PRIMARY KEY, v TEXT NOT NULL, r REAL, x ANY) STRICT",
        "SELECT v FROM s WHERE r > 2.5",
        "SELECT v FROM s WHERE 2.5 < r",
        "SELECT v FROM s WHERE r > 3.5",
    ),
    "CHECK, UNIQUE, DEFAULT": (
        "CREATE TABLE c (id INTEGER PRIMARY KEY AUTOINCREMENT, sex TEXT CHECK (sex IN ('F', 'M')), mail TEXT UNIQUE, made TEXT DEFAULT CURRENT_TIMESTAMP, UNIQUE (sex, mail))",
        "SELECT count(*) FROM c WHERE sex = 'F'",
        "SELECT sum(sex = 'F') FROM c",
        "SELECT count(*) FROM c WHERE sex = 'M'",
    ),
    "booleans": (
        "CREATE TABLE b (id INTEGER PRIMARY KEY, active BOOLEAN, gone BOOL, kind TINYINT(1))",
        "SELECT count(*) FROM b WHERE active = 1",
        "SELECT count(*) FROM b WHERE active IS TRUE AND active = TRUE",
        "SELECT count(*) FROM b WHERE active = 0",
    ),
    "dates as texts": (
        "CREATE TABLE d (id INTEGER PRIMARY KEY, born TEXT, seen DATETIME)",
        "SELECT id FROM d WHERE strftime('%Y', born) > '1990'",
        "SELECT id FROM d WHERE substr(born, 1, 4) > '1990'",
        "SELECT id FROM d WHERE born > '1990'",
    ),
    "dates as numbers": (
        "CREATE TABLE d (id INTEGER PRIMARY KEY, day INTEGER, at INTEGER)",
        "SELECT id FROM d WHERE day BETWEEN 20140101 AND 20141231",
        "SELECT id FROM d WHERE day / 10000 = 2014 AND day >= 20140101 AND day <= 20141231",
        "SELECT id FROM d WHERE day > 20140101",
    ),
    "columns without a type": (
        "CREATE TABLE u (a, b, c)",
        "SELECT a FROM u WHERE b = 'x'",
        "SELECT a FROM u WHERE 'x' = b",
        "SELECT a FROM u WHERE c = 'x'",
    ),
    "types of other systems": (
        "CREATE TABLE `o` (`id` int(11) unsigned NOT NULL AUTO_INCREMENT, `n` varchar(20) CHARACTER SET utf8 COMMENT 'the name', `m` decimal(10,2), `j` json, PRIMARY KEY (`id`), KEY `k` (`n`)) ENGINE=InnoDB DEFAULT CHARSET=utf8",
        "SELECT n FROM o WHERE m > 10",
        "SELECT `n` FROM `o` WHERE 10 < m",
        "SELECT n FROM o WHERE m < 10",
    ),
    "schemas before names": (
        "CREATE TABLE main.k (id INTEGER PRIMARY KEY, v INT); CREATE TABLE IF NOT EXISTS l (k_id INT REFERENCES k)",
        "SELECT v FROM k WHERE v > 4",
        "SELECT k.v FROM k WHERE 4 < k.v",
        "SELECT v FROM k WHERE v < 4",
    ),
    "comments and indexes between": (
        "-- the shops\nCREATE TABLE i (id INTEGER PRIMARY KEY, -- its number; unique\n v INT /* a; b */);\nCREATE INDEX by_v ON i (v);",
        "SELECT id FROM i WHERE v = 3",
        "SELECT id FROM i WHERE v IN (3)",
        "SELECT id FROM i WHERE v = 4",
    ),
    "rows beside the tables": (
        "CREATE TABLE r (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO r VALUES (1, 'a;b'), (2, 'it''s')",
        "SELECT id FROM r WHERE v = 'a;b'",
        "SELECT id FROM r WHERE v IN ('a;b')",
        "SELECT id FROM r WHERE v <> 'a;b'",
    ),
    "a generated column": (
        "CREATE TABLE g (a INT, b INT GENERATED ALWAYS AS (a * 2) VIRTUAL)",
        "SELECT a FROM g WHERE b > 4",
        "SELECT a FROM g WHERE 4 < b",
        "SELECT a FROM g WHERE b < 4",
    ),
    "views, triggers and the settings of a dump": (
        "PRAGMA foreign_keys=OFF; BEGIN TRANSACTION; DROP TABLE IF EXISTS t; CREATE TABLE t (a INT); CREATE VIEW v AS SELECT a FROM t WHERE a > 1;"
        "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM t; END; COMMIT;",
        "SELECT count(*) FROM t WHERE a > 3",
        "SELECT sum(a > 3) FROM t WHERE a IS NOT NULL",
        "SELECT count(*) FROM t WHERE a >= 3",
    ),
    "many columns": (
        f"CREATE TABLE wide ({', '.join(f'c{n} INT' for n in range(300))})",
        "SELECT c7 FROM wide WHERE c299 > 5",
        "SELECT wide.c7 FROM wide WHERE 5 < c299",
        "SELECT c8 FROM wide WHERE c299 > 5",
    ),
}  # fmt: skip
# what no database can be made for: compared as text, and it is said
AS_TEXT = {
    "a virtual table": "CREATE VIRTUAL TABLE f USING fts5(a)",
    "no SQL": "singer: name, age",
    "cut off": "CREATE TABLE t (a INT, b",
}


@pytest.fixture(scope="module")
def scorer() -> Iterator[SqlScorer]:
    with Sandbox() as made:
        yield SqlScorer(made, databases=3)


def asked(schema: str, gold: str) -> Dialogue:
    return Dialogue((Message("user", "?"), Message("assistant", gold)), "sql", {"schema": schema})


@pytest.mark.parametrize("name", SCHEMAS)
def test_queries_over_any_schema_are_judged(name: str, scorer: SqlScorer) -> None:
    schema, gold, right, wrong = SCHEMAS[name]
    found = {reply: scorer.score(reply, asked(schema, gold)) for reply in (gold, right, wrong)}

    assert ["right", "right", "wrong"] == [score.outcome for score in found.values()], found


@pytest.mark.parametrize("name", AS_TEXT)
def test_a_schema_that_cannot_be_made_is_told(name: str, scorer: SqlScorer) -> None:
    same, other = (
        scorer.score(reply, asked(AS_TEXT[name], "SELECT a FROM t")) for reply in ("select a from t", "SELECT b FROM t")
    )

    assert ("right", "wrong") == (same.outcome, other.outcome), (same, other)
    assert "the schema cannot be read" in same.reason
