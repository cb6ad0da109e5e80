"""What runs in the child process of an order: `python -m tasks.sampler ORDER.json`.

    order (subjects, asks, decoding) ──▶ replies.jsonl and outcome.json beside the order

Loads one engine for the base and all adapters. Every reply goes to the home's samples as it
finishes; what is there already is not asked again, and if all is there no engine is loaded.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from storage.artifacts import write_json
from storage.records import PonensError
from storage.samples import Samples
from tasks import lifeline
from tasks.engines.base import Engine, Loading, open_engine, renders, surroundings
from tasks.sampling.asking import Asking
from tasks.sampling.order import OUTCOME, REPLIES, Ask, Decoding, Subject, asks_of


def sample(order: Path) -> None:
    """Do what the order file says."""
    given = orjson.loads(order.read_bytes())
    subjects = [Subject(**s) for s in given["subjects"]]
    adapters = {s.name: Path(s.folder) for s in subjects if s.folder}
    loading = Loading(**given["loading"], adapters=adapters, scratch=order.parent)
    asks = asks_of(given["asks"])
    decoding = Decoding(**given["decoding"])
    surroundings(loading)
    start = time.monotonic()
    prompts, longest = ({}, 0) if renders(given["engine"]) else _rendered(loading, subjects, asks)
    times: dict[str, float] = {}

    def open_now() -> Engine:
        lifeline.say({"say": f"starting {given['engine']}"})
        began = time.monotonic()
        # no more context than these questions need: memory for longer ones would lie idle
        fit = min(loading.max_model_len or sys.maxsize, longest + decoding.max_tokens + 32)
        engine = open_engine(given["engine"], replace(loading, max_model_len=fit))
        times["start"] = time.monotonic() - began
        lifeline.say({"say": f"{given['engine']} started in {times['start']:.1f} s"})
        return engine

    with Samples(Path(given["samples"])) as store:
        most = len(subjects) * sum(decoding.votes + a.greedy + bool(a.forced) for a in asks)
        asking = Asking(
            given["engine"], {s.name: s for s in subjects}, {a.id: a for a in asks}, prompts, decoding,
            loading.max_model_len, store, open_now, _Progress(most),
        )  # fmt: skip
        try:
            asking.run()
        finally:
            if asking.engine:
                asking.engine.close()
    _write(order.parent, asking, {**times, "total": time.monotonic() - start})


def _rendered(loading: Loading, subjects: Sequence[Subject], asks: Sequence[Ask]) -> tuple[dict[str, str], int]:
    """Each ask's prompt by its id, and the tokens of the longest."""
    tokenizer = _tokenizer(loading, subjects)
    prompts = {
        ask.id: str(
            tokenizer.apply_chat_template([m.dict() for m in ask.messages], tokenize=False, add_generation_prompt=True)
        )
        for ask in asks
    }
    ids = tokenizer(list(prompts.values()), add_special_tokens=False)["input_ids"]
    return prompts, max(map(len, ids))


def _tokenizer(loading: Loading, subjects: Sequence[Subject]) -> Any:
    """The base model's tokenizer. PonensError if an adapter learnt under another chat template."""
    from tasks.engines import weights
    from tasks.training.tokens import template_hash

    tokenizer = weights.tokenizer(loading)
    now = template_hash(tokenizer)
    for subject in subjects:
        if subject.template and subject.template != now:
            raise PonensError(
                f"adapter {subject.name} was trained under another chat template",
                seen=f"template {now[:16]} in {loading.model}",
                expected=f"template {subject.template[:16]}, as adapter.json says",
                hint="evaluate with the base model it was trained on, or train again",
            )
    return tokenizer


class _Progress:
    """Tells the parent, a few times a second at most."""

    def __init__(self, total: int) -> None:
        self.total, self.last = total, 0.0

    def __call__(self, done: int) -> None:
        if (now := time.monotonic()) - self.last > 0.3:
            self.last = now
            lifeline.say({"done": done, "total": self.total})


def _write(folder: Path, asking: Asking, times: Mapping[str, float]) -> None:
    with (folder / REPLIES).open("wb") as file:
        for slot, kept in sorted(asking.got.items()):
            file.write(orjson.dumps([*slot, kept.text, kept.finish, kept.tokens, kept.logprob]) + b"\n")
    outcome = {
        "engine": asking.engine.facts if asking.engine else {"engine": asking.engine_name},
        "asked": asking.asked,
        "reused": len(asking.got) - asking.asked,
        "tokens": sum(kept.tokens for kept in asking.got.values()),
        "seconds": {name: round(value, 2) for name, value in times.items()},
    }
    write_json(folder / OUTCOME, outcome)


if __name__ == "__main__":
    sys.exit(lifeline.work(sample, Path(sys.argv[1])))
