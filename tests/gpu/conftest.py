"""The tier for a machine with a CUDA device: `make gpu`. With PONENS_GPU=cpu, what of it a CPU can do."""

import os
from pathlib import Path

import pytest

HOW = os.environ.get("PONENS_GPU", "")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mine = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    for item in mine:
        item.add_marker(pytest.mark.gpu)
        if HOW not in ("cuda", "cpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device: `make gpu` on a machine with one"))


@pytest.fixture(scope="session")
def device() -> str:
    """What the tests run on: "cuda", or "cpu" where that was asked for."""
    if HOW == "cpu":
        return HOW
    import torch

    if not torch.cuda.is_available():
        pytest.fail("`make gpu` found no CUDA device; PONENS_GPU=cpu runs what of this tier a CPU can do")
    return HOW
