"""Two processes on a CPU (gloo), as `accelerate launch` starts them on two GPUs."""

import sys
from pathlib import Path

import pytest

from storage.artifacts import write_json
from tasks import child
from tasks.training import launch
from tasks.training.spec import TrainSpec
from tests.tasks.trainings import facts, losses, order
from tests.tiny import tiny_base

pytestmark = [pytest.mark.heavy, pytest.mark.process, pytest.mark.timeout(3000)]


def test_two_processes_have_the_losses_of_one_with_the_same_rows_a_step(tmp_path: Path) -> None:
    base = tiny_base(tmp_path / "base", hidden=32, layers=1)
    common = {"epochs": 2, "eval_steps": 4, "save_steps": 4}
    one = order(base, tmp_path / "one", batch_size=4, gradient_accumulation=2, **common)
    two = order(base, tmp_path / "two", batch_size=4, gradient_accumulation=1, processes=2, **common)
    for given in (one, two):
        write_json(Path(given["folder"]) / "scratch" / "order.json", given)
        words = launch.command(
            TrainSpec.model_validate(given["spec"]), Path(given["folder"]) / "scratch" / "order.json"
        )
        child.run(words, log=tmp_path / "train.log", hear=lambda message: None, what="training")

    assert facts(one)["steps"] == facts(two)["steps"] == 8
    assert losses(two) == pytest.approx(losses(one), rel=1e-4)
    assert facts(two)["valid_loss"] == pytest.approx(facts(one)["valid_loss"], rel=1e-3)
    assert sorted(p.name for p in Path(two["folder"]).glob("scratch/checkpoints/checkpoint-8/rng_state*")) == [
        "rng_state_0.pth",
        "rng_state_1.pth",
    ]
    assert words[:3] == [sys.executable, "-m", "accelerate.commands.launch"]
