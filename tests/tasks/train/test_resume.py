"""Killed, out of disk, without its base model: training goes on where it was, and nothing that was there is lost."""

import logging
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage.adapters import versions as adapters
from storage.home import Home
from storage.records import PonensError, UsageError
from tasks.runtime import process
from tasks.runtime.step import run_step
from tasks.train.step import step
from tests.tasks.train.test_whole_training import rows, snapshot, spec
from tests.tasks.trainings import facts, order
from tests.tiny import tiny_base

pytestmark = [pytest.mark.heavy, pytest.mark.process, pytest.mark.timeout(3000)]
SETTINGS = {"eval_steps": 4, "gradient_accumulation": 2, "batch_size": 2, "epochs": 3, "neftune_alpha": 1.0}
ALONE = (
    "import sys; from pathlib import Path; from storage.home import Home; from tasks.runtime.step import run_step\n"
    "from tests.tasks.train import test_resume as t\n"
    "home = Home(Path(sys.argv[1])); t.run_step(t.made(home, Path(sys.argv[2])), home)"
)


def made(home: Home, base: Path):  # type: ignore[no-untyped-def]
    several = [rows(1, seed=n, words=2 + n * 7 % 23)[0] for n in range(80)]
    return step(spec(base, **SETTINGS), "demo", snapshot(home, several))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("models") / "base", hidden=32, layers=1)


def last_seal(home: Home) -> int:
    seals = home.root.glob("work/*/scratch/checkpoints/checkpoint-*/whole.json")
    return max((int(seal.parent.name.rsplit("-", 1)[1]) for seal in seals), default=0)


def test_killed_again_and_again_it_ends_with_the_losses_and_weights_of_a_run_that_was_not(
    base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole, home = Home(tmp_path / "whole"), Home(tmp_path / "home")
    expected, _ = run_step(made(whole, base), whole)
    draw = random.Random(os.environ.get("PYTEST_SEED", "7"))
    for _ in range(3):
        before = last_seal(home)
        run = subprocess.Popen([sys.executable, "-c", ALONE, str(home.root), str(base)], env=process.surroundings({}))
        while last_seal(home) == before and run.poll() is None:
            time.sleep(0.01)
        assert run.poll() is None, "it ended before it could be killed"
        time.sleep(draw.random() * 0.2)  # somewhere in the steps that follow
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        if last_seal(home) >= expected.facts["steps"] - 5:
            break
    assert adapters.versions(home, "demo") == []
    kept = last_seal(home)

    with caplog.at_level(logging.INFO, "ponens"):
        receipt, _ = run_step(made(home, base), home)

    assert f"going on from checkpoint-{kept}" in caplog.text, "no step up to the last checkpoint is done twice"
    assert receipt.facts["loss"] == expected.facts["loss"]
    assert receipt.facts["valid_losses"] == expected.facts["valid_losses"]
    assert receipt.digest == expected.digest


@pytest.mark.parametrize("limit", [10_000, 40_000])
def test_a_full_disk_is_said_and_the_next_run_goes_on_from_what_was_whole(
    base: Path, tmp_path: Path, limit: int
) -> None:
    given = order(base, tmp_path, count=48, save_steps=2, epochs=2)
    file = given.folder / "scratch" / "order.json"
    file.parent.mkdir(parents=True)
    file.write_text(given.model_dump_json())
    command = [sys.executable, "-m", "tasks.train.trainer_main", str(file)]

    def cap() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    said = tmp_path / "said.txt"
    with said.open("wb") as out:  # and standard input open, for the child ends with it
        full = subprocess.Popen(
            command, env=process.surroundings({}), stdin=subprocess.PIPE, stdout=out, stderr=out, preexec_fn=cap
        )
        code = full.wait()
    folder, told = given.folder, said.read_text()

    assert code == 1
    assert "the disk is full" in told, told[-2000:]
    assert "it goes on from" in told
    assert not (folder / "adapter.json").exists()
    assert all((c / "whole.json").exists() for c in folder.glob("scratch/checkpoints/checkpoint-*")), (
        "no half-written one"
    )


def test_a_lost_base_model_is_said_and_once_it_is_back_training_goes_on(base: Path, tmp_path: Path) -> None:
    from tasks.train import sft

    home = Home(tmp_path / "home")
    own = tiny_base(tmp_path / "own", hidden=32, layers=1)
    away = own.rename(tmp_path / "away")
    with pytest.raises(UsageError, match="is not there"):
        run_step(made(home, own), home)

    away.rename(own)
    given = order(own, tmp_path / "run", save_steps=2, max_steps=4)
    sft.train(given)
    whole = facts(given)
    kept = sorted(p.name for p in (given.folder / "scratch" / "checkpoints").iterdir())
    (given.folder / "adapter.json").unlink()
    weights = (own / "model.safetensors").rename(own / "model.away")
    with pytest.raises(PonensError, match="cannot be loaded"):
        sft.train(given)
    assert sorted(p.name for p in (given.folder / "scratch" / "checkpoints").iterdir()) == kept

    weights.rename(own / "model.safetensors")
    sft.train(given)
    assert facts(given)["loss"] == whole["loss"]


def test_a_training_that_had_stopped_early_does_no_further_step_after_a_restart(base: Path, tmp_path: Path) -> None:
    from tasks.train import sft

    settings = {"eval_steps": 1, "save_steps": 1, "patience": 2, "learning_rate": 0.3, "scheduler": "constant"}
    given = order(base, tmp_path, epochs=20, **settings)
    sft.train(given)
    stopped = facts(given)
    assert stopped["steps"] < 20 * 4
    (given.folder / "adapter.json").unlink()
    sft.train(given)

    assert facts(given)["steps"] == stopped["steps"]
    assert facts(given)["loss"] == stopped["loss"]
