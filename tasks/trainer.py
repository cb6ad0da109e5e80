"""What runs in the child process of train: `python -m tasks.trainer ORDER.json`.

Light, so that the lifeline is watched before the heavy libraries, whose import takes seconds, come in.
"""

from __future__ import annotations

import sys
from pathlib import Path

import orjson

from storage.records import PonensError
from tasks import lifeline


def main(order: Path) -> int:
    """Train as the order file says; tell the parent of progress, or why it cannot be done."""
    lifeline.watch()
    lifeline.say({"say": "loading libraries"})
    from tasks.training import sft

    try:
        sft.train(orjson.loads(order.read_bytes()))
    except PonensError as error:
        lifeline.confess(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
