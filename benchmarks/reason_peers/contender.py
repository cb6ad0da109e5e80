"""What every contender shares: the order it gets, the handshake at its end. Standard library only."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODEL, KEY, MAX_TOKENS, TIMEOUT = "mock", "any", 2048, 60


@dataclass(frozen=True)
class Order:
    """`url` ends in /v1; `rows` is a file of JSON lines with `id`, `prompt` and `question`; `folder` is empty."""

    url: str
    rows: str
    folder: str
    workers: int
    samples: int

    def questions(self) -> list[dict[str, Any]]:
        with Path(self.rows).open("rb") as file:
            return [json.loads(line) for line in file]


def order() -> Order:
    return Order(**json.loads(Path(sys.argv[1]).read_text("utf-8")))


def done(answers: Iterable[tuple[str, str | None]]) -> None:
    """Say that all is done, wait until the clocks are read, then write what was answered to each id."""
    print("done", flush=True)
    if sys.stdin.readline().strip() == "answers":
        with Path(sys.argv[1]).with_name("answers.jsonl").open("w", encoding="utf-8") as file:
            for name, text in answers:
                file.write(json.dumps([name, text]) + "\n")
