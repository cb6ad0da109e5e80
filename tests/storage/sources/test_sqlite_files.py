"""Real databases are found where Spider and BIRD lay them, and what is none is passed over."""

import sqlite3
from pathlib import Path

import pytest

from storage.records import UsageError
from storage.sources import sqlite_files


def database(file: Path, rows: int = 1) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("CREATE TABLE IF NOT EXISTS t (a)")
        connection.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(rows)])
    connection.close()
    return file


@pytest.mark.parametrize("folder", ["database", "databases", "dev_databases", "train_databases", "test_database"])
def test_databases_lie_in_a_folder_beside_the_rows(folder: str, tmp_path: Path) -> None:
    file = database(tmp_path / folder / "pets" / "pets.sqlite")
    roots = sqlite_files.beside([tmp_path / "dev.json"])

    assert [tmp_path / folder] == roots == sqlite_files.beside([tmp_path])
    assert [file] == sqlite_files.named(roots, "pets")
    assert [] == sqlite_files.named(roots, "cars")


def test_the_database_of_its_folder_s_name_is_the_first(tmp_path: Path) -> None:
    other, own = database(tmp_path / "pets" / "a.sqlite"), database(tmp_path / "pets" / "pets.sqlite")

    assert [own, other] == sqlite_files.named([tmp_path], "pets")
    assert [database(tmp_path / "cars.db")] == sqlite_files.named([tmp_path], "cars")


def test_what_is_no_database_whole_in_itself_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "text.sqlite").write_text("-- SQL")
    logged = database(tmp_path / "logged" / "logged.sqlite")
    logged.with_name("logged.sqlite-wal").write_bytes(b"what was written last")

    assert [[], [], [], []] == [sqlite_files.named([tmp_path], n) for n in ("text", "logged", "../text", "")]


def test_a_change_of_any_database_changes_the_fingerprint(tmp_path: Path) -> None:
    file = database(tmp_path / "pets" / "pets.sqlite")
    before = sqlite_files.fingerprint([tmp_path])

    assert before == sqlite_files.fingerprint([tmp_path])
    database(file)
    assert before != sqlite_files.fingerprint([tmp_path])
    with pytest.raises(UsageError, match="databases"):
        sqlite_files.fingerprint([tmp_path / "nowhere"])
