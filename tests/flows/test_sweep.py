"""The trials of a sweep: combinations that are checked before anything runs, and what of their work is shared."""

from pathlib import Path

import pytest

from flows.trials import groups, identity, shared, trials
from storage.home import Home
from storage.records import UsageError

RECIPE = """
name = "r"
[puzzles]
count = 20
[reason]
teacher = "embedded"
[train]
base_model = "recipes/demo_base"
[evaluate]
engine = "transformers"
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "r.toml"
    path.write_text(RECIPE)
    return path


def test_every_combination_is_a_trial_and_shared_work_is_done_once(recipe: Path, tmp_path: Path) -> None:
    made = trials(recipe, ["train.epochs=1"], ["train.rank=8,16,32", "train.learning_rate=1e-4,2e-4"])
    work = {one["step"]: one["times"] for one in shared(made, Home(tmp_path / "home"))}

    assert 6 == len(made)
    assert (8, 2e-4, 1) == (made[1].recipe.train.rank, made[1].recipe.train.learning_rate, made[1].recipe.train.epochs)
    assert "rank=16 learning_rate=0.0001" == made[2].name
    assert {"puzzles": 1, "parse": 1, "reason": 1, "assemble": 1, "train": 6, "evaluate": 1} == work
    assert identity(made) == identity(
        trials(recipe, ["train.epochs=1"], ["train.rank=8,16,32", "train.learning_rate=1e-4,2e-4"])
    )
    assert not (tmp_path / "home").exists()


def test_trials_with_other_questions_or_another_way_to_ask_are_evaluated_apart(recipe: Path, tmp_path: Path) -> None:
    made = trials(recipe, [], ["train.loss=completion,last", "evaluate.votes=3,5", "puzzles.seed=1,2"])
    work = {one["step"]: one["times"] for one in shared(made, Home(tmp_path / "home"))}

    assert [[0, 4], [1, 5], [2, 6], [3, 7]] == groups(made)
    assert {"puzzles": 2, "parse": 2, "reason": 2, "assemble": 2, "train": 4, "evaluate": 4} == work


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ([], "each key once"),
        (["train.rank"], "KEY=VALUE,VALUE"),
        (["train.rank="], "KEY=VALUE,VALUE"),
        (["train.rank=8,8"], "each value once"),
        (["train.rank=8,eight"], "train.rank"),
        (["train.rank=8,16.5"], "train.rank"),
        (["train.rnak=8,16"], "did you mean train.rank"),
        (["train.rank=8,16", "train.rank=32"], "each key once"),
        (["train.learning_rate=1e-4,0.0001"], "each value once"),
        (["train.rank=8,1024"], "cannot be served"),
    ],
)
def test_what_cannot_be_tried_is_refused_before_anything_runs(
    recipe: Path, tmp_path: Path, over: list[str], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        shared(trials(recipe, [], over), Home(tmp_path / "home"))


def test_a_recipe_that_trains_nothing_has_nothing_to_sweep(tmp_path: Path) -> None:
    recipe = tmp_path / "measure.toml"
    recipe.write_text('name = "m"\n[puzzles]\ncount = 20\n[evaluate]\nbase_model = "recipes/demo_base"\n')

    with pytest.raises(UsageError, match="no step 'train'"):
        trials(recipe, [], ["evaluate.votes=3,5"])
