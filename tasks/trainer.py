"""What runs in the child process of train: `python -m tasks.trainer ORDER.json`.

Light, so that the lifeline is watched before the heavy libraries, whose import takes seconds, come in.
"""

from __future__ import annotations

import sys
from pathlib import Path

import orjson

from tasks import lifeline


def train(order: Path) -> None:
    """Train as the order file says."""
    from tasks.training import sft

    sft.train(orjson.loads(order.read_bytes()))


if __name__ == "__main__":
    sys.exit(lifeline.work(train, Path(sys.argv[1])))
