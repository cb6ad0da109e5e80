"""Aliases, comparison and removal of adapter versions."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage.adapters import aliases, registry
from storage.adapters import versions as adapters
from storage.artifacts import whole
from storage.home import Home
from storage.records import PonensError, UsageError
from tests.adapters import judged, made, reported


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_an_alias_moves_and_every_move_is_kept_with_its_reason(home: Home) -> None:
    first, second = made(home), made(home)
    registry.set_alias(home, first, "champion", "the first")
    move = registry.set_alias(home, second, "champion", "better")

    assert "logic/2" == str(adapters.resolve(home, "logic@champion"))
    assert (1, 2, "better") == (move.before, move.after, move.because)
    assert [(None, 1, "the first"), (1, 2, "better")] == [
        (m.before, m.after, m.because) for m in aliases.moves(home, "logic")
    ]
    assert whole(first.folder), "aliases are no part of a version"


def test_an_alias_that_is_there_already_makes_no_move(home: Home) -> None:
    one = made(home)
    registry.set_alias(home, one, "champion")

    assert registry.set_alias(home, one, "champion") is None
    assert 1 == len(aliases.moves(home, "logic"))


def test_an_alias_is_taken_away_from_the_version_it_points_at_and_no_other(home: Home) -> None:
    first, second = made(home), made(home)
    registry.set_alias(home, second, "champion")

    with pytest.raises(UsageError, match="does not point at logic/1"):
        registry.drop_alias(home, first, "champion")
    registry.drop_alias(home, second, "champion")
    with pytest.raises(UsageError, match="no alias 'champion'"):
        adapters.resolve(home, "logic@champion")


@pytest.mark.parametrize("alias", ["latest", "Champion", "a/b", "../x", "", "1st", "a|b", "x" * 33])
def test_an_alias_that_could_be_something_else_is_refused(home: Home, alias: str) -> None:
    with pytest.raises(UsageError, match="alias"):
        registry.set_alias(home, made(home), alias)


def test_moves_at_the_same_time_are_all_kept(home: Home) -> None:
    versions = [made(home) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda one: registry.set_alias(home, one, "champion", str(one)), versions))
    moves = aliases.moves(home, "logic")

    assert {str(one) for one in versions} == {move.because for move in moves}
    assert [move.after for move in moves[:-1]] == [move.before for move in moves[1:]]


def test_damaged_aliases_are_an_error_and_no_champion_is_guessed(home: Home) -> None:
    registry.set_alias(home, made(home), "champion")
    (home.adapters / "logic" / aliases.FILE).write_text("{")

    with pytest.raises(PonensError, match="aliases of 'logic'"):
        adapters.resolve(home, "logic@champion")


def test_the_list_says_loss_verdict_and_who_points_at_each(home: Home) -> None:
    first, second = made(home), made(home)
    made(home, "demo")
    registry.set_alias(home, first, "champion")
    judged(home, second)
    listed = registry.listing(home)

    assert ["demo/1", "logic/2", "logic/1"] == [one["adapter"] for one in listed]
    assert [["latest"], ["latest"], ["champion"]] == [one["aliases"] for one in listed]
    assert [None, "better", None] == [one["evaluation"] and one["evaluation"]["paired"]["verdict"] for one in listed]
    assert 0.7 == listed[0]["valid_loss"]


def test_a_diff_names_what_differs_and_nothing_else(home: Home) -> None:
    a = made(home, settings={"rank": 8, "epochs": 3})
    b = made(home, settings={"rank": 16, "epochs": 3}, snapshot="def", facts={"valid_loss": 0.4}, digest="j" * 64)
    judged(home, b)
    found = registry.diff(home, a, b)

    assert {"rank": [8, 16]} == found["settings"]
    assert {"snapshot": ["abc", "def"]} == found["data"]
    assert {"valid_loss": [0.7, 0.4], "accuracy": [None, 0.9], "verdict": [None, "better"]} == found["metrics"]
    assert not found["same_weights"]


def test_a_removed_version_is_gone_and_its_number_is_not_given_again(home: Home) -> None:
    made(home)
    last = made(home)
    registry.remove(home, last)

    assert [1] == adapters.versions(home, "logic")
    assert not (last.folder / "adapter_model.safetensors").exists()
    assert "logic/3" == str(made(home))
    with pytest.raises(UsageError, match="no version 2"):
        adapters.resolve(home, "logic/2")


def test_what_an_alias_or_a_report_refers_to_stays_unless_forced(home: Home) -> None:
    one = made(home)
    registry.set_alias(home, one, "champion")
    reported(home, one)

    with pytest.raises(UsageError, match="logic@champion, artifacts/reports/r1"):
        registry.remove(home, one)
    assert [1] == adapters.versions(home, "logic")
    assert ["logic@champion", "artifacts/reports/r1"] == registry.remove(home, one, force=True)
    assert {} == aliases.current(home, "logic")
    assert "removed" == aliases.moves(home, "logic")[-1].because


def test_a_removal_that_was_killed_half_way_is_finished_by_the_next(home: Home) -> None:
    first, second = made(home), made(home)
    (first.folder / registry.REMOVED).write_text("{}")
    (first.folder / "manifest.json").unlink()  # the kill comes here
    assert [2] == adapters.versions(home, "logic")

    registry.remove(home, second)

    assert [registry.REMOVED] == [p.name for p in first.folder.iterdir()]
