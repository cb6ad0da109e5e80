"""What runs in the child process of train: `python -m tasks.train.trainer_main ORDER.json`.

Light, so that the lifeline is watched before the heavy libraries, whose import takes seconds, come in.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tasks.runtime import worker
from tasks.train.order import TrainOrder


def train(order: Path) -> None:
    """Train as the order file says."""
    from tasks.train import sft

    sft.train(TrainOrder.model_validate_json(order.read_bytes()))


if __name__ == "__main__":
    sys.exit(worker.work(train, Path(sys.argv[1])))
