"""Sources: what a folder stands for, which bytes are in its fingerprint, and the hub's cache."""

import re
from pathlib import Path

import orjson
import pytest

from storage.records import UsageError
from storage.sources import readers, source
from tests.storage.sources.test_formats import ROWS, SPIDER


def put(folder: Path, *names: str, content: bytes = b'{"text": "x"}\n') -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def named(*paths: Path) -> list[str]:
    return [name for name, _ in source.files(paths)]


def test_a_folder_is_the_data_files_in_it(tmp_path):
    put(
        tmp_path, "b.jsonl.gz", "a.json", "c.parquet", "d.csv", "notes.txt", "README.md", ".hidden.jsonl", "sub/e.jsonl"
    )

    assert named(tmp_path) == ["a.json", "b.jsonl.gz", "c.parquet", "d.csv"]


def test_plain_text_counts_where_nothing_else_does(tmp_path):
    assert named(put(tmp_path, "b.txt", "a.txt", "LICENSE")) == ["a.txt", "b.txt"]


def test_a_folder_of_folders_is_what_they_hold(tmp_path):
    put(tmp_path, "data/train.parquet", "data/test.parquet", "more/x.jsonl", "README.md")
    (tmp_path / "loop").symlink_to(tmp_path)

    assert named(tmp_path) == ["data/test.parquet", "data/train.parquet", "more/x.jsonl"]


def test_a_saved_dataset_is_the_parts_of_its_splits(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_list([ROWS["messages"]] * 3)
    datasets.DatasetDict({"train": rows, "valid": rows.select([0])}).save_to_disk(str(tmp_path / "saved"))
    files = source.files([tmp_path / "saved"])

    assert [name.partition("/")[0] for name, _ in files] == ["train", "valid"]
    assert [item.line for item in readers.read(files)] == [1, 2, 3, 1]
    assert readers.formats_of(files)[0].name == "messages"


def test_a_damaged_state_of_a_saved_dataset_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"state\.json"):
        named(put(tmp_path, "state.json", content=b"{}"))


@pytest.mark.parametrize("path", ["missing", "empty"])
def test_a_path_with_nothing_to_read_is_named(tmp_path, path):
    (tmp_path / "empty").mkdir()

    with pytest.raises(UsageError, match=path):
        named(tmp_path / path)


def test_the_schemas_beside_the_rows_are_in_the_fingerprint_but_no_rows(tmp_path):
    put(tmp_path, "rows.jsonl", content=orjson.dumps(ROWS["spider"]))
    put(tmp_path, "tables.json", content=orjson.dumps([SPIDER]))
    before = source.fingerprint(source.hashed(source.files([tmp_path])))
    put(tmp_path, "tables.json", content=orjson.dumps([SPIDER, SPIDER]))

    assert named(tmp_path) == ["rows.jsonl"]
    assert source.fingerprint(source.hashed(source.files([tmp_path]))) != before


@pytest.mark.parametrize("name", ["hf://datasets/org/name", "hf://org/name@main", "hf://org/name/data/a.jsonl"])
def test_a_hubs_name_is_its_files_in_the_cache(tmp_path, monkeypatch, name):
    constants = pytest.importorskip("huggingface_hub.constants")  # it is loaded late by itself
    cache = tmp_path / "hub"
    commit, blob = "a" * 40, "b" * 64
    put(cache / "datasets--org--name", f"blobs/{blob}")
    put(cache / "datasets--org--name", "refs/main", content=commit.encode())
    link = cache / "datasets--org--name" / "snapshots" / commit / "data" / "a.jsonl"
    link.parent.mkdir(parents=True)
    link.symlink_to(f"../../../blobs/{blob}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    assert named(source.local(name, tmp_path)) == ["a.jsonl"]


@pytest.mark.parametrize(("name", "said"), [("nowhere://x/y", "cannot be opened"), ("hf://org", "no such hub dataset")])
def test_a_name_that_nobody_can_fetch_is_refused(tmp_path, name, said):
    with pytest.raises(UsageError, match=said):
        source.local(name, tmp_path)


def test_a_hub_that_does_not_give_is_told_with_its_name(tmp_path, monkeypatch):
    constants = pytest.importorskip("huggingface_hub.constants")  # it is loaded late by itself
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    with pytest.raises(UsageError, match="hf://org/gone was not to be had"):
        source.local("hf://org/gone", tmp_path)


@pytest.mark.parametrize(
    ("there", "named", "said"),
    [
        (["quiz.csv"], "quizz.csv", "did you mean"),
        ([".ponens", "quiz.csv"], "nowhere.jsonl", "holds quiz.csv"),
        ([f"{letter}.csv" for letter in "abcdefg"], "nowhere.jsonl", "holds a.csv, b.csv, c.csv, d.csv, e.csv, …"),
        ([".ponens"], "nowhere.jsonl", "there is nothing in"),
    ],
)
def test_a_file_that_is_missing_is_answered_with_those_that_are_there(
    there: list[str], named: str, said: str, tmp_path: Path
) -> None:
    for name in there:
        (tmp_path / name).write_text("x")

    with pytest.raises(UsageError, match=re.escape(said)):
        source.files([tmp_path / named])
