"""What runs in the child process of train: `python -m tasks.trainer ORDER.json`.

Light, so that the lifeline is watched before the heavy libraries, whose import takes seconds, come in.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tasks import lifeline
from tasks.training.order import TrainOrder


def train(order: Path) -> None:
    """Train as the order file says."""
    from tasks.training import sft

    sft.train(TrainOrder.model_validate_json(order.read_bytes()))


if __name__ == "__main__":
    sys.exit(lifeline.work(train, Path(sys.argv[1])))
