"""Homes and sources at paths that mean something to a glob, to SQL, to a URL or to a partitioned table."""

from pathlib import Path

import duckdb
import polars as pl
import pytest

from storage import warehouse
from storage.home import Home
from storage.records import UsageError
from storage.sqlfiles import quoted, word_for_word
from tasks.parse.step import inspect

NAMES = ["a[1]", "a[b", "st*r", "sp ace", "pct%20", "ha#sh", "quo'te", 'dq"x', "team=x", "br{a,b}", "$x", "名前", "a;b", "a&b"]  # fmt: skip
ROW = '{"problem": "A lamp.", "question": "Which?", "options": ["red", "blue"], "answer": "A"}\n'


@pytest.mark.parametrize("name", [*NAMES, "q?m"])
def test_duckdb_reads_a_path_word_for_word(tmp_path: Path, name: str) -> None:
    beside = name.replace("*", "a").replace("?", "a").replace("[1]", "1")
    for folder, value in ((beside, 0), (name, 1)):
        (tmp_path / folder).mkdir(exist_ok=True)
        pl.DataFrame({"x": [value]}).write_parquet(str(tmp_path / folder / "p-1.parquet"))
    place = word_for_word(tmp_path / name)

    with duckdb.connect() as con:
        told = con.execute(f"from read_parquet('{quoted(place)}/p-*.parquet', hive_partitioning = false)").fetchall()
        given = con.execute("from read_parquet(?, hive_partitioning = false)", [f"{place}/p-1.parquet"]).fetchall()

    assert [(1,)] == told == given


@pytest.mark.parametrize("name", NAMES)
def test_a_source_and_a_home_may_lie_anywhere(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "rows.jsonl").write_text(ROW)
    home = Home(folder / "home")
    (home.ledger).mkdir(parents=True)
    (home.ledger / "1.jsonl").write_text('{"key": "a", "cost": 0.5}\n')
    pl.DataFrame({"question": ["q"], "reason": ["r"]}).write_parquet(str(folder / "drops.parquet"))

    assert 1 == inspect(str(folder / "rows.jsonl"), None, {}, home.root / "fetched")["answered"]
    with warehouse.connect(home) as con:
        con.execute("create table t (artifact varchar, question varchar, reason varchar)").fetchall()
        warehouse._fill(con, "t", folder / "drops.parquet", "artifacts/1")
        assert [("artifacts/1", "q", "r")] == con.execute("from t").fetchall()
    assert [{"key": "a", "cost": 0.5}] == warehouse.query(home, "select key, cost from ledger")


@pytest.mark.parametrize("name", ["~nobody-of-this-name", "~"])
def test_a_tilde_that_is_nobody_s_home_is_a_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "rows.jsonl").write_text(ROW)
    monkeypatch.chdir(tmp_path)

    assert 1 == inspect(f"./{name}/rows.jsonl", None, {}, tmp_path / "fetched")["answered"]


@pytest.mark.parametrize("name", ["a?b", "back\\slash", "two\nlines"])
def test_a_home_that_no_database_can_lie_in_is_refused_by_name(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PONENS_HOME", str(tmp_path / name))

    with pytest.raises(UsageError, match="the home cannot lie there"):
        Home.beside()
