"""Writers: what is written is what is read, whole or not at all."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.dialogues import Dialogue
from storage.records import Message, Rejected, UsageError
from storage.sources import readers, source, writers
from tests.samples import dialogues, summary

relaxed = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
ONE = Dialogue((Message("user", "Hi"), Message("assistant", "Ho")))
numbers = itertools.count()
FITTING: dict[str, st.SearchStrategy[Dialogue]] = {
    "messages": dialogues(),
    "sharegpt": dialogues(),
    "alpaca": dialogues(plain=True),
    "prompt-completion": dialogues(plain=True).map(lambda dialogue: Dialogue(dialogue.messages[-2:])),
    "parquet": dialogues(),
}


def spoken(folder: Path) -> list[tuple[Any, ...]]:
    found = list(readers.read(source.files([folder])))
    assert not [item for item in found if isinstance(item, Rejected)]
    return [summary(item)[1:] for item in found if isinstance(item, Dialogue)]


@pytest.mark.parametrize("form", FITTING)
@relaxed
@given(data=st.data())
def test_what_is_written_is_what_is_read(tmp_path, form, data):
    said = data.draw(st.lists(FITTING[form], min_size=1, max_size=4))
    out = tmp_path / f"{form}{next(numbers)}"

    assert writers.write({"train": said}, out, form) == {"train": len(said)}
    assert spoken(out) == [summary(dialogue)[1:] for dialogue in said]


def test_a_datasets_folder_is_one_that_the_library_loads(tmp_path):
    datasets = pytest.importorskip("datasets")
    untold = Dialogue((*ONE.messages, Message("user", "And?"), Message("assistant", "No", train=False)))
    counts = writers.write({"train": [ONE, untold], "valid": [ONE]}, tmp_path / "out", "datasets")
    loaded = datasets.load_from_disk(str(tmp_path / "out"))

    assert counts == {"train": 2, "valid": 1}
    assert {name: len(part) for name, part in loaded.items()} == counts
    assert [m["content"] for m in loaded["train"][0]["messages"]] == ["Hi", "Ho"]
    assert spoken(tmp_path / "out") == [summary(d)[1:] for d in (ONE, untold, ONE)]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_part_without_rows_is_an_empty_file(tmp_path):
    for form in FITTING:
        assert writers.write({"train": [ONE], "valid": []}, tmp_path / form, form) == {"train": 1, "valid": 0}
        assert len(list((tmp_path / form).iterdir())) == 2


@pytest.mark.parametrize(
    ("form", "dialogue", "reason"),
    [
        ("prompt-completion", Dialogue((Message("system", "x"), *ONE.messages)), "other turns than one prompt"),
        ("prompt-completion", Dialogue((*ONE.messages, *ONE.messages)), "other turns than one prompt"),
        ("prompt-completion", Dialogue((ONE.messages[0], Message("assistant", "x", False))), "not to be learnt"),
        ("alpaca", Dialogue((*ONE.messages, Message("tool", "x"), ONE.messages[1])), "turns other than user and"),
        ("alpaca", Dialogue((ONE.messages[0], Message("assistant", "x", False))), "not to be learnt"),
    ],
)
def test_a_dialogue_that_does_not_fit_is_named_and_nothing_is_written(tmp_path, form, dialogue, reason):
    with pytest.raises(UsageError, match=rf"row 2 does not fit\n.*{reason}"):
        writers.write({"train": [ONE, dialogue]}, tmp_path / "out", form)

    assert list(tmp_path.iterdir()) == []


def test_a_source_that_fails_leaves_nothing(tmp_path):
    def failing() -> Iterator[Dialogue]:
        yield ONE
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        writers.write({"train": failing()}, tmp_path / "out", "messages")

    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_and_an_unknown_form_is_named(tmp_path):
    (tmp_path / "out").mkdir()

    with pytest.raises(UsageError, match="is there already"):
        writers.write({"train": [ONE]}, tmp_path / "out", "messages")
    with pytest.raises(UsageError, match="no such form"):
        writers.write({"train": [ONE]}, tmp_path / "new", "excel")
