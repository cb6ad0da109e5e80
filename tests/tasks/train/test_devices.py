"""Two processes on a CPU (gloo), as `accelerate launch` starts them on two GPUs, of one machine and of two."""

import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage.artifacts import write_json
from tasks.runtime import process
from tasks.train import launch
from tasks.train.order import TrainOrder
from tasks.train.run import content
from tests.tasks.trainings import facts, losses, order
from tests.tiny import tiny_base

pytestmark = [pytest.mark.heavy, pytest.mark.process, pytest.mark.timeout(3000)]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def trained(order: TrainOrder) -> list[str]:
    """Train as a machine does, or as several do, each by a command of its own; the first one's words."""
    file = order.folder / "scratch" / "order.json"
    write_json(file, order.model_dump(mode="json"))
    commands = [launch.command(order.spec, file, node) for node in range(order.spec.nodes)]

    def node(words: list[str]) -> None:
        process.run(words, log=file.with_name("train.log"), hear=lambda message: None, what="training")

    with ThreadPoolExecutor(len(commands)) as machines:
        list(machines.map(node, commands))
    return commands[0]


def test_two_processes_of_one_machine_or_of_two_have_the_losses_of_one_with_the_same_rows_a_step(
    tmp_path: Path,
) -> None:
    base = tiny_base(tmp_path / "base", hidden=32, layers=1)
    common = {"epochs": 2, "eval_steps": 4, "save_steps": 4}
    shared = common | {"batch_size": 4, "gradient_accumulation": 1, "processes": 2}
    one = order(base, tmp_path / "one", batch_size=4, gradient_accumulation=2, **common)
    two = order(base, tmp_path / "two", **shared)
    apart = order(base, tmp_path / "apart", **shared, nodes=2, rendezvous=f"127.0.0.1:{free_port()}")
    words, *_ = [trained(given) for given in (apart, two, one)]

    assert facts(one)["steps"] == facts(two)["steps"] == facts(apart)["steps"] == 8
    assert losses(two) == pytest.approx(losses(one), rel=1e-4)
    assert losses(apart) == losses(two)
    assert content(apart.folder) == content(two.folder)
    assert facts(one)["valid_loss"] == pytest.approx(facts(two)["valid_loss"], rel=1e-3)
    for given in (two, apart):
        assert sorted(p.name for p in given.folder.glob("scratch/checkpoints/checkpoint-8/rng_state*")) == [
            "rng_state_0.pth",
            "rng_state_1.pth",
        ]
    assert words[:4] == [sys.executable, "-m", "tasks.runtime.worker", "accelerate.commands.launch"]
