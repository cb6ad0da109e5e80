"""An order of replies: who is asked what, and how replies are drawn. Any kind of work can give one.

    Order(engine, loading, subjects, asks, decoding) ──draw──▶ Drawn: every reply, and what it took

`tasks.evaluate.cluster_shares.draw` has it drawn by a cluster, where there is one.

Every subject answers every ask: greedily, with a forced continuation where the ask has one, and with
votes. `draw` runs `tasks.evaluate.sampler_main` in a process of its own, which loads one engine for all subjects.
Replies are kept in the home as they finish, keyed by their content, so none is ever drawn twice.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import orjson

from evals.adaptive import Beta, Exact, Rule, Window
from prompts.rendering import Wish
from storage.artifacts import write_json
from storage.records import Message, Question
from tasks.engines.open import renders
from tasks.kinds.asks import Ask, Forced
from tasks.runtime import process
from tasks.runtime.step import Tick, Workshop

log = logging.getLogger("ponens")

ORDER, REPLIES, OUTCOME = "order.json", "replies.jsonl", "outcome.json"
Adaptive = Literal["off", "exact", "beta", "window"]
Mismatch = Literal["refuse", "warn"]


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is asked: "base" or an adapter's name, the digest of its weights, its folder, how it was trained to be asked.

    `rendering` is what the adapter's manifest says (`prompts.rendering`); None of the base, and where it says nothing.
    """

    name: str
    weights: str
    folder: str | None = None
    rendering: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Decoding:
    """How replies are drawn: `votes` at most, fewer where `adaptive` finds a question settled.

    Replies of another `round` are other replies, though seed and all else are the same: they are drawn again.
    """

    votes: int
    temperature: float
    top_p: float
    max_tokens: int
    seed: int
    adaptive: Adaptive = "off"
    confidence: float = 0.95
    window: int = 4
    round: str = ""

    @property
    def rule(self) -> Rule | None:
        """When a question is settled; None if all its votes are drawn."""
        rules: dict[str, Rule] = {"exact": Exact(), "beta": Beta(self.confidence), "window": Window(self.window)}
        return rules.get(self.adaptive)


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply; `index` and `logprob` as in `Sample`."""

    subject: str
    ask: str
    index: int
    text: str
    finish: str
    tokens: int
    logprob: float | None


class Drawn(NamedTuple):
    """All replies of an order, sorted, and what drawing them took: engine, asked, reused, tokens, seconds."""

    replies: list[Reply]
    outcome: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """What the child is told. `loading` are fields of `tasks.engines.interface.Loading`, adapters apart.

    Adapters that were trained to be asked otherwise than `rendering` says are refused, or asked as they were trained
    where `on_mismatch` is "warn"; the outcome's `warnings` then name them.
    `notes` are warnings of whoever gives the order.
    """

    engine: str
    loading: Mapping[str, Any]
    subjects: Sequence[Subject]
    asks: Sequence[Ask]
    decoding: Decoding
    rendering: Wish | None = None
    on_mismatch: Mismatch = "refuse"
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    notes: Sequence[str] = ()

    def told(self, *names: str) -> dict[str, Any]:
        """These fields as a child's order file has them; never `secrets`."""
        return {name: _plain(getattr(self, name)) for name in names}

    @property
    def gpus(self) -> int:
        """How many GPUs its engine takes, where there are some."""
        if renders(self.engine):
            return 0
        return int(self.loading.get("tensor_parallel", 1)) * int(self.loading.get("data_parallel", 1))

    def draw(self, scratch: Path, shop: Workshop) -> Drawn:
        """Have it all answered on this machine; `scratch` holds the child's files. PonensError if it cannot be.

        `secrets` reach the child by its environment and are never written.
        """
        names = ("engine", "loading", "subjects", "asks", "decoding", "rendering", "on_mismatch")
        write_json(scratch / ORDER, self.told(*names) | {"samples": str(shop.home.samples)})

        def hear(message: dict[str, Any]) -> None:
            if text := message.get("say"):
                log.info("evaluate: %s", text)
            if "done" in message:
                shop.progress(Tick(message["done"], message["total"], "replies"))

        with shop.devices(self.gpus) as devices:
            process.run(
                [sys.executable, "-m", "tasks.evaluate.sampler_main", str(scratch / ORDER)],
                log=scratch / "engine.log",
                hear=hear,
                what="evaluation",
                relief="set a smaller [evaluate] max_model_len or gpu_memory_utilization",
                environment=self.secrets,
                devices=devices,
            )
        lines = (scratch / REPLIES).read_bytes().splitlines()
        return Drawn([Reply(*orjson.loads(line)) for line in lines], orjson.loads((scratch / OUTCOME).read_bytes()))


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def asks_of(rows: Sequence[Mapping[str, Any]]) -> list[Ask]:
    """The asks that an order file holds."""
    return [
        Ask(
            row["id"],
            tuple(Message(**m) for m in row["messages"]),
            Forced(row["forced"]["start"], tuple(row["forced"]["letters"])) if row["forced"] else None,
            _question(row["question"]) if row["question"] else None,
            row["greedy"],
        )
        for row in rows
    ]


def _question(row: Mapping[str, Any]) -> Question:
    return Question(**{**row, "options": tuple(row["options"]), "notes": tuple(row["notes"])})
