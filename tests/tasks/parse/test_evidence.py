"""BIRD's column descriptions and evidence: in the prompt as a recipe wants them, and what is missing or guessed is said."""

import sqlite3
from pathlib import Path
from typing import Any

import orjson
import pytest

from flows.recipe import Recipe, validate
from prompts import sql
from storage.dialogues import Dialogue
from storage.home import Home
from storage.records import Message, Receipt, UsageError
from storage.sources import column_descriptions
from storage.sources.column_descriptions import Undescribed
from storage.tables.dialogue_files import Dialogues
from tasks.parse import step as parse
from tasks.parse.evidence import Described
from tasks.runtime.step import Step, run_step

HEAD = "original_column_name,column_name,column_description,data_format,value_description\n"
STALL = HEAD + 'stall_id,stall id,number of the stall,integer,\nopened,opened,,date,"0: closed\n\n1: open"\n'
SCHEMA = "CREATE TABLE stall (stall_id INTEGER, opened DATE); CREATE TABLE fruit (name TEXT, price REAL)"
TABLES = {
    "db_id": "market",
    "table_names_original": ["stall", "fruit"],
    "column_names_original": [[-1, "*"], [0, "stall_id"], [0, "opened"], [1, "name"], [1, "price"]],
    "column_types": ["text", "integer", "date", "text", "real"],
    "foreign_keys": [],
}
EVIDENCE = "cheap refers to price < 2"


def read(tmp_path: Path, content: bytes) -> column_descriptions.Table:
    (tmp_path / "stall.csv").write_bytes(content)
    return column_descriptions.read(tmp_path / "stall.csv")


def market(folder: Path, **described: str | bytes) -> Path:
    """BIRD's layout: rows, schemas, a database, and a file of descriptions for each table that is given."""
    row = {"db_id": "market", "question": "Which are cheap?", "evidence": EVIDENCE, "SQL": "SELECT name FROM fruit"}
    place = folder / "dev_databases" / "market" / "database_description"
    place.mkdir(parents=True)
    (folder / "dev.json").write_bytes(orjson.dumps([row]))
    (folder / "dev_tables.json").write_bytes(orjson.dumps([TABLES]))
    connection = sqlite3.connect(place.parent / "market.sqlite")
    connection.executescript(SCHEMA)
    connection.close()
    for table, text in described.items():
        (place / f"{table}.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / "dev.json"


def recipe(file: Path, **settings: Any) -> Recipe:
    parsing = {"path": str(file), "test": 1.0, "valid": 0.0, **settings}
    return validate({"name": "b", "kind": "sql", "parse": parsing, "evaluate": {"base_model": "org/model"}}, "here")


def step(file: Path, **settings: Any) -> Step:
    chosen = recipe(file, **settings)
    return parse.step(chosen.parsing, parse.source(chosen.parse), kind="sql", sql=chosen.evaluating)


def parsed(tmp_path: Path, file: Path, **settings: Any) -> tuple[str, dict[str, Any], Receipt]:
    """What the only row asks a model, and what was told by kind."""
    home = Home(tmp_path / "home")
    receipt, _ = run_step(step(file, **settings), home)
    (dialogue,) = Dialogues(home, receipt)
    told = {warning["kind"]: warning for warning in receipt.facts["warnings"]}
    return sql.ask(dialogue)[-1].content, told, receipt


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (STALL.encode(), "number of the stall"),
        (STALL.encode("utf-8-sig"), "number of the stall"),
        (STALL.encode("utf-16"), "number of the stall"),
        (STALL.replace("\n", "\r\n").encode(), "number of the stall"),
        (STALL.replace(",", ";").encode(), "number of the stall"),
        (STALL.replace("original_column_name", " Original_Column_Name ").encode(), "number of the stall"),
        (STALL.replace("number of the stall", "the stall’s number").encode("cp1252"), "the stall’s number"),
        ((STALL.replace("number of", "número de") + "a,b,").encode() + b"it\x92s,,\n", "número de the stall"),
        ((HEAD + "stall_id,stall id,number,integer,1, 2, or 3,,\n").encode(), "number; 1, 2, or 3"),
        ((HEAD + "stall_id,Stall_ID,stall id,integer,stall id\n").encode(), "stall id"),
    ],
)  # fmt: skip
def test_a_file_is_read_whatever_wrote_it(content: bytes, words: str, tmp_path: Path) -> None:
    name, data_format, said = read(tmp_path, content).columns[0]

    assert ("stall_id", "integer") == (name, data_format)
    assert words == said.removeprefix("stall id; ")


def test_a_guess_at_an_encoding_and_what_it_lost_is_remarked(tmp_path: Path) -> None:
    odd = b"a,b,it\x92s,,\nc,d,caf\xe9 \x81,,\n"

    assert "" == read(tmp_path, STALL.encode("utf-8-sig")).remark
    assert (
        "2 lines are no UTF-8 and are read as Windows-1252, 1 characters lost"
        == read(tmp_path, HEAD.encode() + odd).remark
    )


@pytest.mark.parametrize("content", [b"", b"column,description\na,b\n", b"\x00\x01\x02", b"\xff\xfea"])
def test_a_file_that_describes_nothing_says_so(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(Undescribed):
        read(tmp_path, content)


@pytest.mark.process
def test_the_prompt_holds_schema_columns_evidence_and_question_in_this_order(tmp_path: Path) -> None:
    file = market(tmp_path / "bird", stall=STALL, Fruit=HEAD + "NAME,name,kind of fruit,text,\n")
    prompt, told, receipt = parsed(tmp_path, file, descriptions=500)
    schema, *rest = prompt.split("\n\n")

    assert SCHEMA == schema
    assert [
        "Columns of stall:\n- stall_id (integer): stall id; number of the stall\n- opened (date): 0: closed 1: open",
        "Columns of fruit:\n- name (text): kind of fruit",
        EVIDENCE,
        "Which are cheap?",
    ] == rest[:-1]
    assert {"databases": 1, "columns": 3} == receipt.facts["descriptions"]
    assert {} == told
    assert 1 == receipt.facts["references"]["run"]


def test_descriptions_are_part_of_what_a_database_s_dialogues_share(tmp_path: Path) -> None:
    market(tmp_path / "bird", stall=STALL)
    asked = Dialogue(
        (Message("user", f"{SCHEMA}\n\nWhich?"), Message("assistant", "SELECT 1")),
        "sql",
        {"schema": SCHEMA, "db_id": "market", "question": "Which?"},
        context=SCHEMA,
    )
    found = Described([tmp_path / "bird" / "dev_databases"], 500)(asked)

    assert f"{SCHEMA}\n\nColumns of stall:\n- stall_id" == found.context[: len(SCHEMA) + 30]
    assert f"{found.context}\n\nWhich?" == found.messages[0].content


@pytest.mark.process
def test_without_them_the_prompt_is_the_schema_and_the_question(tmp_path: Path) -> None:
    prompt, told, receipt = parsed(tmp_path, market(tmp_path / "bird", stall=STALL), evidence=False)

    assert f"{SCHEMA}\n\nWhich are cheap?" == prompt.rpartition("\n\n")[0]
    assert ({}, False) == (told, "descriptions" in receipt.facts)


@pytest.mark.process
def test_what_is_missing_cut_guessed_or_of_no_use_is_counted_and_told(tmp_path: Path) -> None:
    stall = (STALL + "gone,,was there once,,\n").encode() + b"opened,,it\x92s when a stall was opened to the public,,\n"
    prompt, told, receipt = parsed(tmp_path, market(tmp_path / "bird", stall=stall, bread=STALL), descriptions=20)

    assert "- opened (date): 0: closed 1: open\n- opened: it’s when a stall …\n\n" in prompt
    assert {
        "undescribed-tables": ["market.fruit"],
        "guessed-descriptions": ["market/stall.csv (1 lines are no UTF-8 and are read as Windows-1252)"],
        "unknown-descriptions": ["market/bread.csv", "market.stall.gone"],
        "cut-descriptions": ["market.stall.stall_id", "market.stall.opened"],
    } == {kind: warning["examples"] for kind, warning in told.items()}
    assert told["cut-descriptions"]["message"].startswith("2 descriptions of columns are cut at 20 characters")
    assert 2 == receipt.facts["descriptions"]["cut-descriptions"]


@pytest.mark.process
def test_files_that_are_not_there_or_cannot_be_read_are_told_and_end_nothing(tmp_path: Path) -> None:
    prompt, told, _ = parsed(tmp_path, market(tmp_path / "broken", stall=b"\xff\xfea", fruit="x\n"), descriptions=9)
    assert (2, f"{SCHEMA}\n\n{EVIDENCE}") == (told["unread-descriptions"]["count"], prompt.rsplit("\n\n", 2)[0])

    prompt, told, _ = parsed(tmp_path, market(tmp_path / "none"), descriptions=9)
    assert "1 rows are about no database that has a folder database_description" in told["undescribed-rows"]["message"]
    assert "Columns of" not in prompt


def test_another_description_makes_another_step_where_it_is_asked_for(tmp_path: Path) -> None:
    file = market(tmp_path / "bird", stall=STALL)
    before = {limit: step(file, descriptions=limit).key for limit in (0, 500, 600)}
    (tmp_path / "bird/dev_databases/market/database_description/stall.csv").write_text(STALL.replace("stall id", "id"))
    after = {limit: step(file, descriptions=limit).key for limit in (0, 500)}

    assert 3 == len(set(before.values()))
    assert (True, False) == tuple(before[limit] == after[limit] for limit in (0, 500))


def test_only_text_to_sql_reads_these_settings() -> None:
    with pytest.raises(UsageError, match="descriptions would not be read"):
        validate({"name": "b", "parse": {"path": "x", "descriptions": 5}}, "here")
