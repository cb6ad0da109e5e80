from pathlib import Path

import pytest

from storage.adapters import versions as adapters
from storage.artifacts import publish
from storage.home import Home
from storage.records import PonensError, UsageError


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def make(home: Home, name: str) -> str:
    work = home.root / "work" / "one"
    work.mkdir(parents=True)
    (work / "adapter_model.safetensors").write_bytes(b"weights")
    (work / "adapter.json").write_text('{"facts": {"steps": 3}, "snapshot": "abc"}')
    return publish(work, f"adapters/{name}", home, identity="i", numbered=True).artifact


def test_versions_are_numbered_from_one_and_listed(home: Home) -> None:
    assert [make(home, "logic"), make(home, "logic"), make(home, "demo")] == [
        "adapters/logic/1",
        "adapters/logic/2",
        "adapters/demo/1",
    ]

    assert adapters.versions(home, "logic") == [1, 2]
    assert adapters.names(home) == ["demo", "logic"]


def test_a_home_without_adapters_lists_none(home: Home) -> None:
    assert adapters.names(home) == []
    assert adapters.versions(home, "logic") == []


def test_a_number_and_latest_resolve_to_folders(home: Home) -> None:
    make(home, "logic")
    make(home, "logic")

    assert adapters.resolve(home, "logic/1").folder == home.root / "adapters/logic/1"
    assert str(adapters.resolve(home, "logic@latest")) == "logic/2"


def test_what_it_is_made_of_can_be_read(home: Home) -> None:
    make(home, "logic")
    found = adapters.about(adapters.resolve(home, "logic/1"))

    assert found["adapter"] == "logic/1"
    assert found["digest"] == "i"
    assert found["facts"] == {"steps": 3}


def test_a_damaged_manifest_is_an_error(home: Home) -> None:
    make(home, "logic")
    (home.root / "adapters/logic/1/manifest.json").write_text("{")

    with pytest.raises(PonensError, match="manifest"):
        adapters.about(adapters.resolve(home, "logic/1"))


def test_an_unfinished_folder_is_no_version(home: Home) -> None:
    make(home, "logic")
    (home.root / "adapters/logic/2").mkdir()

    assert adapters.versions(home, "logic") == [1]


@pytest.mark.parametrize(
    "name", ["../etc", "a/b", "a|b", "", ".", "..", ".hidden", "-x", "a..b", "x" * 65, "a b", "名"]
)
def test_a_name_that_could_leave_the_shelf_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="adapter's name"):
        adapters.check_name(name)


@pytest.mark.parametrize("name", ["logic", "a", "qwen2.5-7b_logic", "A1"])
def test_a_plain_name_is_taken(name: str) -> None:
    assert adapters.check_name(name) == name


@pytest.mark.parametrize(
    "reference", ["logic", "logic/", "logic/0", "logic/x", "logic@best", "../x/1", "logic/1/2", "a|b/1"]
)
def test_a_badly_spelled_reference_is_refused(home: Home, reference: str) -> None:
    make(home, "logic")

    with pytest.raises(UsageError):
        adapters.resolve(home, reference)


def test_a_missing_version_names_those_there_are(home: Home) -> None:
    make(home, "logic")

    with pytest.raises(UsageError, match="one of 1"):
        adapters.resolve(home, "logic/7")
    with pytest.raises(UsageError, match="one of logic"):
        adapters.resolve(home, "other/1")
