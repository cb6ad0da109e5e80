"""export: a snapshot by any of its names, a file in any format, and what is refused."""

from pathlib import Path

import orjson
import pytest

from storage.dialogues import Dialogue
from storage.home import Home
from storage.records import PonensError, UsageError
from storage.sources import readers, source
from tasks.assemble.export import export
from tests.samples import summary
from tests.snapshots import example, snapshot
from tests.storage.sources.test_formats import ROWS


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.fixture
def made(home):
    """A snapshot of three examples, the latest of a recipe."""
    return snapshot(home, *(example(f"Question {n}", "Because.\n\nAnswer: A") for n in range(3)), recipe="logic")


@pytest.mark.parametrize("given", ["{made.id}", "{made.id:.4}", "logic@latest", "{made.path}"])
@pytest.mark.parametrize("form", ["messages", "alpaca", "sharegpt", "prompt-completion", "parquet"])
def test_a_snapshot_is_written_with_both_its_parts(tmp_path, home, made, given, form):
    written = export(given.format(made=made), form, tmp_path / "out", home)
    found = list(readers.read(source.files([tmp_path / "out"])))

    assert written == {"form": form, "out": str(tmp_path / "out"), "rows": {"train": 3, "valid": 0}, "rejected": 0}
    assert {summary(item)[1] for item in found if isinstance(item, Dialogue)} == {
        ("user", f"Question {n}?", True) for n in range(3)
    }


def test_the_place_is_named_after_the_snapshot_by_default(tmp_path, home, made, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert export("logic@latest", "messages", None, home)["out"] == f"{made.id}-messages"
    assert {path.name for path in Path(f"{made.id}-messages").iterdir()} == {"train.jsonl", "valid.jsonl"}


def test_a_file_is_turned_into_another_form_and_its_rejects_are_counted(tmp_path, home):
    file = tmp_path / "chats.json"
    file.write_bytes(orjson.dumps([ROWS["sharegpt"], {"conversations": []}, ROWS["sharegpt"]]))
    written = export(str(file), "alpaca", tmp_path / "out", home)

    assert (written["rows"], written["rejected"]) == ({"data": 2}, 1)
    assert orjson.loads((tmp_path / "out" / "data.jsonl").read_bytes().splitlines()[0]) == {
        "instruction": "Hi",
        "input": "",
        "output": "Ho",
    }


@pytest.mark.parametrize(
    ("given", "form", "said"),
    [
        ("nowhere", "messages", "no snapshot 'nowhere'"),
        ("logic@latest", "excel", "no such form"),
    ],
)
def test_what_is_not_there_is_named(tmp_path, home, made, given, form, said):
    with pytest.raises(UsageError, match=said):
        export(given, form, tmp_path / "out", home)


def test_questions_are_no_dialogues_and_a_damaged_snapshot_is_told(tmp_path, home, made):
    file = tmp_path / "q.jsonl"
    file.write_bytes(orjson.dumps(ROWS["competition"]))
    (made.path / "valid.parquet").write_bytes(b"torn")

    with pytest.raises(UsageError, match="only dialogues"):
        export(str(file), "messages", tmp_path / "out", home)
    with pytest.raises(PonensError, match=r"valid\.parquet is damaged"):
        export(made.id, "messages", tmp_path / "out", home)
    assert not (tmp_path / "out").exists()
