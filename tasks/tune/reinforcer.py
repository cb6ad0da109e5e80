"""What runs in the child process of a reinforcement: `python -m tasks.tune.reinforcer ORDER.json`.

Light, so that the lifeline is watched before the heavy libraries, whose import takes seconds, come in.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tasks.runtime import worker
from tasks.tune.grpo_order import GrpoOrder


def reinforce(order: Path) -> None:
    """Reinforce as the order file says."""
    from tasks.tune import grpo

    grpo.reinforce(GrpoOrder.model_validate_json(order.read_bytes()))


if __name__ == "__main__":
    sys.exit(worker.work(reinforce, Path(sys.argv[1])))
