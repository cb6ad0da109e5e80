"""Recipes: every shipped one loads, bad ones are refused with the way out."""

from pathlib import Path

import pytest

from flows.recipe import load, resolved
from storage.records import UsageError
from tasks.evaluate.candidates import Base

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "recipes").rglob("*.toml"))
SMALL = 'name = "small"\n[parse]\npath = "data.jsonl"\n[train]\nbase_model = "org/model"\n'


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_every_shipped_recipe_loads(path: Path) -> None:
    assert load(path).name


def test_a_resolved_copy_loads_as_the_same_recipe(small: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "recipe.json"
    copy.parent.mkdir()
    copy.write_text(resolved(load(small)))

    assert load(small) == load(copy)


def test_a_relative_path_counts_from_the_recipe(small: Path) -> None:
    assert str(small.parent / "data.jsonl") == load(small).parse.path


def test_evaluation_sets_count_from_the_recipe_too(small: Path) -> None:
    assert [str(small.parent / "held.jsonl")] == load(small, ['parse.against=["held.jsonl"]']).parse.against


def test_a_change_beats_the_file(small: Path) -> None:
    assert 8 == load(small, ["train.rank=8"]).train.rank
    assert "other" == load(small, ["name=other"]).name


def test_an_unknown_key_is_refused_with_the_nearest_known_one(small: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(small, ["train.learning_rat=1e-4"])

    assert "train.learning_rat" in str(caught.value)
    assert "did you mean train.learning_rate?" in str(caught.value)


def test_a_bad_value_names_key_and_value(small: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(small, ["evaluate.votes=0"])

    assert "evaluate.votes" in str(caught.value)
    assert "0" in str(caught.value)


def test_a_recipe_needs_one_source(small: Path) -> None:
    with pytest.raises(UsageError, match="one of the two"):
        load(small, ["puzzles.count=3"])


def test_a_missing_recipe_names_a_near_one(small: Path) -> None:
    with pytest.raises(UsageError, match=r"small\.toml"):
        load(small.with_name("smal.toml"))


def test_broken_toml_names_the_line(small: Path) -> None:
    small.write_text("name = \n")
    with pytest.raises(UsageError, match="line 1"):
        load(small)


@pytest.mark.parametrize("change", ["nonsense", "=1", "name.deeper=1"])
def test_a_change_must_be_key_and_value(small: Path, change: str) -> None:
    with pytest.raises(UsageError):
        load(small, [change])


@pytest.mark.parametrize("name", ["../up", "a/b", "", "Big", "a|b"])
def test_a_name_cannot_leave_its_shelf(small: Path, name: str) -> None:
    with pytest.raises(UsageError, match="name"):
        load(small, [f'name="{name}"'])


@pytest.mark.parametrize("change", ["reason.samples=4", "assemble.shuffle=3", "assemble.bare=true"])
def test_what_only_multiple_choice_has_is_refused_for_other_kinds(small: Path, change: str) -> None:
    assert load(small, [change]).kind == "choice"
    with pytest.raises(UsageError, match=change.split(".")[0]):
        load(small, ['kind="chat"', change])


def test_puzzles_are_multiple_choice(small: Path) -> None:
    small.write_text(SMALL.replace('[parse]\npath = "data.jsonl"\n', "[puzzles]\ncount = 3\n"))

    assert load(small).steps == ("puzzles", "parse", "reason", "assemble", "train", "evaluate", "report")
    with pytest.raises(UsageError, match=r"\[puzzles\]"):
        load(small, ['kind="sql"'])


@pytest.mark.parametrize("kind", ["sql", "proof", "chat", "instruction"])
def test_other_kinds_have_their_own_steps_and_their_copy_loads_again(small: Path, tmp_path: Path, kind: str) -> None:
    recipe = load(small, [f'kind="{kind}"'])
    copy = tmp_path / "recipe.json"
    copy.write_text(resolved(recipe))

    assert recipe.steps == ("parse", "assemble", "train", "evaluate", "report")
    assert load(copy) == recipe
    with pytest.raises(UsageError, match=r"no step 'reason'(.|\n)*parse, assemble, train, evaluate, report"):
        recipe.require("reason")


def test_an_unknown_kind_is_refused(small: Path) -> None:
    with pytest.raises(UsageError, match="kind"):
        load(small, ['kind="poem"'])


BARE = 'name = "set"\n[parse]\npath = "data.jsonl"\n'


def test_without_train_a_recipe_only_measures(small: Path) -> None:
    small.write_text(BARE)
    measured = load(small, ["evaluate.base_model=org/model", "evaluate.revision=abc"])

    assert ("parse", "evaluate", "report") == measured.steps
    assert Base("org/model", "abc") == measured.base
    assert load(small).base is None
    with pytest.raises(UsageError, match=r"without \[train\] has no step 'train'"):
        _ = measured.training


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (SMALL + '[evaluate]\nbase_model = "org/other"\n', r"recipes without \[train\]"),
        (BARE + "[reason]\nsamples = 3\n", r"\[reason\] samples would not be read without \[train\]"),
        (BARE + "[assemble]\nbare = true\n", r"\[assemble\] bare would not be read without \[train\]"),
    ],
)
def test_what_nothing_would_read_is_refused(small: Path, text: str, says: str) -> None:
    small.write_text(text)

    with pytest.raises(UsageError, match=says):
        load(small)
