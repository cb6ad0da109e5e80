"""The snapshots of a home: named, compared row by row, asked in SQL."""

import pytest

from storage.home import Home
from storage.records import PonensError, UsageError
from storage.tables import snapshot_catalog
from tests.snapshots import example, snapshot


def test_a_snapshot_is_named_by_the_beginning_of_its_id(tmp_path):
    home = Home(tmp_path)
    one = snapshot(home, example("q", "a"))
    other = snapshot(home, example("q", "b"))

    assert one.id[0] != other.id[0]
    assert one == snapshot_catalog.find(home, one.id[0]) == snapshot_catalog.find(home, one.id)


def test_the_newest_of_a_recipe_is_named_by_the_recipe(tmp_path):
    home = Home(tmp_path)
    first = snapshot(home, example("q", "a"), recipe="logic")
    second = snapshot(home, example("q", "b"), recipe="logic")
    snapshot(home, example("q", "c"), recipe="other")
    found = snapshot_catalog.find(home, "logic@latest")

    assert second.id == found.id
    assert [("logic", first.id)] == [(entry.recipe, entry.parent) for entry in found.lineage]
    assert {"logic": first.id} == found.dict()["parents"]


def test_a_name_that_means_no_snapshot_says_which_there_are(tmp_path):
    home = Home(tmp_path)
    with pytest.raises(UsageError, match="ponens assemble"):
        snapshot_catalog.find(home, "abc")
    one = snapshot(home, example("q", "a"), recipe="logic")

    for name in ("zzz", ""):
        with pytest.raises(UsageError, match=one.id):
            snapshot_catalog.find(home, name)
    for name in ("nobody@latest", "logic@first"):
        with pytest.raises(UsageError, match="one of logic"):
            snapshot_catalog.find(home, name)


def test_a_beginning_that_two_snapshots_share_names_both(tmp_path):
    home = Home(tmp_path)
    made = [snapshot(home, example("q", str(number))) for number in range(17)]  # more than there are hex digits
    first = next(a for a in made if sum(b.id[0] == a.id[0] for b in made) > 1)
    alike = [s.id for s in made if s.id[0] == first.id[0]]

    with pytest.raises(UsageError, match=f"{len(alike)} snapshots") as refused:
        snapshot_catalog.find(home, first.id[0])
    assert all(id in str(refused.value) for id in alike)


def test_a_newest_snapshot_that_was_deleted_is_said_to_be_gone(tmp_path):
    home = Home(tmp_path)
    one = snapshot(home, example("q", "a"), recipe="logic")
    (one.path / "manifest.json").unlink()

    with pytest.raises(PonensError, match=f"{one.id}.*is gone"):
        snapshot_catalog.find(home, "logic@latest")


def test_every_row_of_two_snapshots_is_the_same_came_went_changed_or_moved(tmp_path):
    home = Home(tmp_path)
    same = [example("same", "x"), example("many", "one")]
    a = snapshot(
        home, *same, example("went", "x"), example("changed", "old"), example("moved", "x"), example("many", "two")
    )
    b = snapshot(home, *same, example("came", "x"), example("changed", "new"), example("moved", "x", split="valid"),
                 example("many", "2"), example("many", "3"))  # fmt: skip
    found = snapshot_catalog.diff(a, b)

    assert {"a": a.id, "b": b.id, "same": 2, "came": 2, "went": 1, "changed": 2, "moved": 1} == {
        name: value for name, value in found.items() if name != "rows"
    }
    assert [
        ("came", "came"),
        ("came", "many"),
        ("changed", "changed"),
        ("changed", "many"),
        ("moved", "moved"),
        ("went", "went"),
    ] == [(row["what"], row["question"]) for row in found["rows"]]
    changed = found["rows"][2]
    assert ("old", "new") == tuple(changed[side]["completion"][0]["content"] for side in ("before", "after"))
    moved = found["rows"][4]
    assert ("train", "valid") == (moved["before"]["split"], moved["after"]["split"])
    assert found["rows"][5]["after"] is None


def test_a_snapshot_differs_from_itself_in_nothing_and_the_other_way_round_in_the_same(tmp_path):
    home = Home(tmp_path)
    a = snapshot(home, example("q", "a"), example("r", "a"))
    b = snapshot(home, example("q", "b"))
    there, back = snapshot_catalog.diff(a, b), snapshot_catalog.diff(b, a)

    assert (2, []) == (snapshot_catalog.diff(a, a)["same"], snapshot_catalog.diff(a, a)["rows"])
    assert (there["went"], there["changed"]) == (back["came"], back["changed"]) == (1, 1)
    assert (2, 1) == (there["went"] + there["changed"], len(snapshot_catalog.diff(a, b, limit=1)["rows"]))


def test_a_snapshots_tables_are_asked_in_sql(tmp_path):
    one = snapshot(Home(tmp_path), example("q", "a"), example("r", "b", split="valid"))

    assert [{"split": "train", "n": 1}, {"split": "valid", "n": 1}] == snapshot_catalog.query(
        one, "select split, count(*) as n from examples group by all order by all"
    )
    assert [{"n": 1, "reason": "duplicate"}] == snapshot_catalog.query(one, "select 1 as n, reason from drops")
    assert {"examples", "train", "valid", "drops"} == {
        row["name"] for row in snapshot_catalog.query(one, "show tables")
    }


@pytest.mark.parametrize(
    "sql",
    [
        "selec 1",
        "select * from questions",
        "",
        "-- nothing",
        "select 1; select 2",
        "copy (select 1) to '{train}'",
        "explain analyze copy (select 1) to '{train}'",
        "drop view train",
        "select * from read_csv('/etc/hosts')",
        "set enable_external_access = true",
    ],
)
def test_sql_that_is_wrong_or_would_do_more_than_read_is_refused(tmp_path, sql):
    one = snapshot(Home(tmp_path), example("q", "a"))
    train = (one.path / "train.parquet").read_bytes()

    with pytest.raises(UsageError):
        snapshot_catalog.query(one, sql.format(train=one.path / "train.parquet"))
    assert train == (one.path / "train.parquet").read_bytes()
