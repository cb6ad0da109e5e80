"""Preference tuning of a tiny supervised adapter: the right reference, an exact resume, and nothing silently undone."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from storage.adapters import versions as adapters
from storage.home import Home
from storage.records import PonensError, Receipt, UsageError
from tasks.runtime import process
from tasks.runtime.step import run_step
from tasks.train.step import step as train_step
from tasks.tune.spec import TuneSpec
from tasks.tune.step import step
from tests.tasks.train.test_whole_training import rows, snapshot, spec
from tests.tasks.trainings import order as supervision
from tests.tasks.tunings import TUNE, adapter_of, facts, order, pairs, preferred
from tests.tiny import tiny_base

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("models") / "base", hidden=32, layers=1)


@pytest.fixture(scope="module")
def home(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the supervised adapter demo/1, pairs and unpaired replies."""
    home = Home(tmp_path_factory.mktemp("home"))
    run_step(train_step(spec(base, epochs=1), "demo", snapshot(home, rows(64))), home)
    return home


@pytest.fixture(scope="module")
def paired(home: Home) -> Receipt:
    return preferred(home, pairs())


@pytest.fixture(scope="module")
def unpaired(home: Home) -> Receipt:
    return preferred(home, pairs(paired=False))


def tuned(
    base: Path, home: Home, source: Receipt, folder: Path, train: dict[str, Any] | None = None, **tune: Any
) -> Any:
    from tasks.tune import preference

    made = order(base, adapters.resolve(home, "demo/1").folder, home.root / source.artifact, folder, train, **tune)
    preference.tune(made)
    return made


@pytest.mark.parametrize(
    ("method", "first"),
    [("dpo", math.log(2)), ("kto", 0.5), ("orpo", None), ("simpo", None)],
)
def test_a_method_prefers_what_was_chosen(
    base: Path, home: Home, paired: Receipt, unpaired: Receipt, tmp_path: Path, method: str, first: float | None
) -> None:
    made = tuned(base, home, unpaired if method == "kto" else paired, tmp_path / "out", method=method, epochs=4)
    found = facts(made)

    if first is not None:
        assert found["loss_first"] == pytest.approx(first, abs=1e-3)
    assert found["loss_last"] < found["loss_first"]
    before, after = found["rewards"]["margin"]
    assert after > before
    assert found["canary"]["changes_from_parent"] > 0
    assert found["parent"] == "demo/1"
    assert not (made.folder / "ref").exists()
    assert {"reward_chosen", "reward_rejected", "margin"} <= set(
        json.loads((made.folder / "adapter.json").read_text())["history"][-1]
    )


@pytest.mark.parametrize(
    "train", [{"template": "chatml"}, {"modules_to_save": ["embed_tokens"]}], ids=["tokens", "whole"]
)
def test_the_reference_is_the_supervised_adapter_with_its_tokens_and_whole_modules(
    base: Path, paired: Receipt, home: Home, tmp_path: Path, train: dict[str, Any]
) -> None:
    from tasks.train import sft
    from tasks.tune import preference

    supervised = supervision(base, tmp_path / "sft", 16, max_steps=2, **train)
    sft.train(supervised)
    made = order(base, supervised.folder, home.root / paired.artifact, tmp_path / "out", train, warmup=0, max_steps=1)
    preference.tune(made)

    assert facts(made)["loss_first"] == pytest.approx(math.log(2), abs=1e-3)


def test_the_base_as_reference_is_another_one(base: Path, home: Home, paired: Receipt, tmp_path: Path) -> None:
    found = facts(tuned(base, home, paired, tmp_path / "out", reference="base", warmup=0, max_steps=1))

    assert abs(found["loss_first"] - math.log(2)) > 1e-3


def test_a_reference_that_is_neither_ends_the_tuning_at_its_first_step(
    base: Path, home: Home, paired: Receipt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.tune import trainers

    right = trainers.refer
    monkeypatch.setattr(trainers, "refer", lambda trainer, reference: right(trainer, "base"))

    with pytest.raises(PonensError, match="the reference is not the model that tuning starts from"):
        tuned(base, home, paired, tmp_path / "out")


def test_parameters_that_the_optimizer_does_not_hold_end_it(
    base: Path, home: Home, paired: Receipt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.tune import trainers

    def without(self: Any, *_: Any) -> Any:
        import torch

        self.optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
        return self.optimizer

    monkeypatch.setattr(trainers.Dpo, "create_optimizer", without)

    with pytest.raises(PonensError, match="not in the optimizer"):
        tuned(base, home, paired, tmp_path / "out")


ALONE = (
    "import sys; from pathlib import Path; from storage.home import Home; from tests.tasks import test_tune as t\n"
    "home = Home(Path(sys.argv[1])); t.run_step(t.made(home, Path(sys.argv[2])), home)"
)


def made(home: Home, base: Path) -> Any:
    from storage.tables.preferences import read

    source = next((home.root / "artifacts" / "preferences").iterdir())
    assert read(source / "train.parquet")
    manifest = json.loads((source / "manifest.json").read_text())
    given = Receipt(
        "prefer", "k", manifest["digest"], f"artifacts/preferences/{source.name}", manifest["facts"], {}, 0.0, ""
    )
    return step(TuneSpec.model_validate(TUNE), spec(base, epochs=1), "demo", given, adapter_of(home))


def with_parent(root: Path, base: Path) -> Home:
    """A home of its own with the same supervised adapter and the same preferences."""
    home = Home(root)
    run_step(train_step(spec(base, epochs=1), "demo", snapshot(home, rows(64))), home)
    preferred(home, pairs())
    return home


@pytest.mark.process
def test_killed_it_goes_on_to_the_losses_and_weights_of_a_tuning_that_was_not(base: Path, tmp_path: Path) -> None:
    whole, home = (with_parent(tmp_path / name, base) for name in ("whole", "home"))
    expected, _ = run_step(made(whole, base), whole)

    run = subprocess.Popen([sys.executable, "-c", ALONE, str(home.root), str(base)], env=process.surroundings({}))
    while not list(home.root.glob("work/tune-*/scratch/checkpoints/checkpoint-*/whole.json")) and run.poll() is None:
        time.sleep(0.01)
    assert run.poll() is None, "it ended before it could be killed"
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert [1] == adapters.versions(home, "demo")

    receipt, status = run_step(made(home, base), home)
    again, found = run_step(made(home, base), home)

    assert ("ran", "cached") == (status, found)
    assert receipt.facts["loss"] == expected.facts["loss"]
    assert receipt.digest == expected.digest == again.digest
    assert "adapters/demo/2" == receipt.artifact
    about = adapters.about(adapters.resolve(home, "demo/2"))
    assert {"adapter": "demo/1", "digest": adapter_of(home).digest} == about["parent"]
    assert "s" == about["snapshot"]


def test_what_cannot_be_tuned_is_refused_before_anything_is_loaded(base: Path, home: Home, paired: Receipt) -> None:
    for train, seen in (({"method": "full"}, "goes on from an adapter"), ({"processes": 2}, "one process")):
        with pytest.raises(UsageError, match=seen):
            step(TuneSpec(), spec(base, **train), "demo", paired, adapter_of(home))
    with pytest.raises(ValueError, match="at least 2"):
        TuneSpec(method="kto", batch_size=1)
    assert (2.0, 0.1, 0.3) == (TuneSpec(method="simpo").beta, TuneSpec().beta, TuneSpec(method="simpo", beta=0.3).beta)
