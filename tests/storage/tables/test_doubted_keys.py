"""Keys in doubt on disk: what is written is read back, into rows and into a table."""

import duckdb

from evals.report.rationale_facts import SuspectFacts
from storage.tables import doubted_keys
from storage.tables.doubted_keys import SCHEMA, SUSPECTS
from tests.evals.sample_rationales import told_of
from tests.evals.sample_report import questions


def test_suspects_come_back_as_they_were(tmp_path):
    found = told_of(q for q, _ in questions(120)).suspects()
    doubted_keys.write(tmp_path, found)

    assert len(found) > 3
    assert found == doubted_keys.load(tmp_path)
    assert found[:2] == doubted_keys.load(tmp_path, 2)


def test_the_file_has_every_field_of_a_suspect_and_no_other():
    assert list(SuspectFacts.__annotations__) == list(SCHEMA)


def test_no_suspects_make_a_table_without_rows(tmp_path):
    doubted_keys.write(tmp_path, [])

    assert [] == doubted_keys.load(tmp_path)
    assert [("votes", "VARCHAR[]"), ("share", "DOUBLE")] == [
        column[:2]
        for column in duckdb.sql(f"describe from '{tmp_path / SUSPECTS}'").fetchall()
        if column[0] in ("votes", "share")
    ]


def test_no_file_is_no_suspects(tmp_path):
    assert [] == doubted_keys.load(tmp_path)
