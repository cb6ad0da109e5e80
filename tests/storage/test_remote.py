"""Files elsewhere: fetched once, fetched anew when they change, pushed with the manifest last."""

from collections.abc import Iterator
from pathlib import Path

import pytest

fsspec = pytest.importorskip("fsspec", reason="fsspec comes with the extra `cloud`")

from storage import remote  # noqa: E402
from storage.home import Home  # noqa: E402
from storage.records import PonensError, UsageError  # noqa: E402
from storage.tables import snapshot_catalog  # noqa: E402
from tests.snapshots import example, snapshot  # noqa: E402


@pytest.fixture
def store() -> Iterator[fsspec.AbstractFileSystem]:
    """A store that lives in this process."""
    memory = fsspec.filesystem("memory")
    yield memory
    memory.rm("/", recursive=True)


def test_a_file_elsewhere_is_fetched_once_and_anew_when_it_changes(store, tmp_path):
    store.pipe("/data/a.jsonl", b"one")
    first = remote.here("memory://data/a.jsonl", tmp_path)
    stamp = first.stat().st_mtime_ns

    assert ("a.jsonl", b"one") == (first.name, first.read_bytes())
    assert stamp == remote.here("memory://data/a.jsonl", tmp_path).stat().st_mtime_ns

    store.pipe("/data/a.jsonl", b"other")
    again = remote.here("memory://data/a.jsonl", tmp_path)

    assert (first, b"other") == (again, again.read_bytes())


def test_of_a_folder_the_files_directly_in_it_are_fetched(store, tmp_path):
    for name in ("a.jsonl", "b.jsonl", "deeper/c.jsonl"):
        store.pipe(f"/data/{name}", b"x")

    assert ["a.jsonl", "b.jsonl"] == sorted(p.name for p in remote.here("memory://data", tmp_path).iterdir())


def test_what_is_not_there_or_has_no_driver_is_named_without_its_password(store, tmp_path):
    with pytest.raises(UsageError, match="missing"):
        remote.here("memory://nowhere.jsonl", tmp_path)
    with pytest.raises(UsageError, match=r"ponens\[cloud\]") as refused:
        remote.here("nosuch://user:secret@host/a", tmp_path)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("place", ["data.jsonl", "/a/b.jsonl", "C://x", "a:b"])
def test_a_path_is_no_url(place):
    assert not remote.is_url(place)


def test_a_pushed_snapshot_is_found_compared_and_asked_by_its_url(store, tmp_path):
    home, other = Home(tmp_path / "one"), Home(tmp_path / "other")
    a = snapshot(home, example("q", "a"))
    b = snapshot(other, example("q", "b"))

    assert [True, False] == [remote.push(a.path, "memory://shelf/a") for _ in range(2)]
    found = snapshot_catalog.find(other, "memory://shelf/a")
    assert (a.id, a.facts) == (found.id, found.facts)
    assert 1 == snapshot_catalog.diff(found, b)["changed"]
    assert [{"n": 1}] == snapshot_catalog.query(found, "select count(*) as n from train")
    with pytest.raises(PonensError, match="another artifact"):
        remote.push(b.path, "memory://shelf/a")


def test_a_snapshot_that_was_not_pushed_whole_is_refused(store, tmp_path):
    home = Home(tmp_path)
    remote.push(snapshot(home, example("q", "a")).path, "memory://shelf/a")
    store.pipe("/shelf/a/train.parquet", b"torn")

    with pytest.raises(PonensError, match="no whole snapshot"):
        snapshot_catalog.find(home, "memory://shelf/a")


def test_the_manifest_goes_last(store, tmp_path, monkeypatch):
    one = snapshot(Home(tmp_path), example("q", "a"))
    put: list[str] = []
    real = type(store).put_file
    monkeypatch.setattr(
        type(store), "put_file", lambda self, a, b, **k: (put.append(Path(b).name), real(self, a, b, **k))
    )
    remote.push(one.path, "memory://shelf/a")

    assert "manifest.json" == put[-1]
    assert {"train.parquet", "valid.parquet", "examples.parquet", "drops.parquet"} == set(put[:-1])


def test_a_recipe_reads_a_source_elsewhere(store, tmp_path):
    from tasks.parse.step import ParseSpec, source

    line = b'{"problem": "p", "questions": [{"question": "q", "options": ["x", "y"], "answer": "A"}]}\n'
    store.pipe("/data/a.jsonl", line)
    local = tmp_path / "a.jsonl"
    local.write_bytes(line)
    there = source(ParseSpec(path="memory://data/a.jsonl"), fetched=tmp_path / "fetched")

    assert there.digest == source(ParseSpec(path=str(local))).digest
