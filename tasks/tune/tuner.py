"""What runs in the child process of tune: `python -m tasks.tune.tuner ORDER.json`.

Light, so that the lifeline is watched before the heavy libraries, whose import takes seconds, come in.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tasks.runtime import worker
from tasks.tune.order import TuneOrder


def tune(order: Path) -> None:
    """Tune as the order file says."""
    from tasks.tune import preference

    preference.tune(TuneOrder.model_validate_json(order.read_bytes()))


if __name__ == "__main__":
    sys.exit(worker.work(tune, Path(sys.argv[1])))
