"""What runs in the child process of an order: `python -m tasks.evaluate.sampler_main ORDER.json`.

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

import orjson

from prompts.rendering import Wish
from storage.artifacts import write_json
from storage.tables.samples import Samples
from tasks.engines.interface import Engine, Loading
from tasks.engines.open import open_engine, renders, surroundings
from tasks.evaluate.generation import OUTCOME, REPLIES, Decoding, Subject, asks_of
from tasks.evaluate.rounds import Asking
from tasks.kinds.asks import Ask, introduced
from tasks.runtime import worker


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
    wish = Wish(**given["rendering"]) if given["rendering"] else None
    prompts: dict[str, dict[str, str]] = {}
    longest, warnings = 0, list[str]()
    if renders(given["engine"]):
        asks = introduced(asks, wish)
    else:
        prompts, longest, warnings = _rendered(loading, subjects, asks, wish, given["on_mismatch"] == "refuse")
    times: dict[str, float] = {}

    def open_now() -> Engine:
        worker.say({"say": f"starting {given['engine']}"})
        began = time.monotonic()
        # no more context than these questions need: memory for longer ones would lie idle
        fit = min(loading.max_model_len or sys.maxsize, longest + decoding.max_tokens + 32)
        engine = open_engine(given["engine"], replace(loading, max_model_len=fit))
        times["start"] = time.monotonic() - began
        worker.say({"say": f"{given['engine']} started in {times['start']:.1f} s"})
        return engine

    with Samples(Path(given["samples"])) as store:
        most = len(subjects) * sum(decoding.votes + a.greedy + bool(a.forced) for a in asks)
        asking = Asking(
            given["engine"], {s.name: s for s in subjects}, {a.id: a for a in asks}, prompts, decoding,
            loading.max_model_len, store, open_now, _Progress(most),
        )  # fmt: skip
        began = time.monotonic()
        try:
            asking.run()
        finally:
            if asking.engine:
                asking.engine.close()
        times["sample"] = time.monotonic() - began - times.get("start", 0.0)
    _write(order.parent, asking, {**times, "total": time.monotonic() - start}, warnings)


def _rendered(
    loading: Loading, subjects: Sequence[Subject], asks: Sequence[Ask], wish: Wish | None, refuse: bool
) -> tuple[dict[str, dict[str, str]], int, list[str]]:
    """Each ask's prompt by subject and id, the tokens of the longest, and what to warn of."""
    from tasks.engines.chat_rendering import renderers

    identities = {s.name: s.rendering for s in subjects if s.folder}
    found, warnings = renderers(loading, identities, wish, refuse=refuse)
    for warning in warnings:
        worker.say({"say": warning})
    prompts = {
        name: {ask.id: renderer.prompt([m.dict() for m in ask.messages]) for ask in asks}
        for name, renderer in found.items()
    }
    tokens = (found[name].tokens(list(said.values())) for name, said in prompts.items())
    return prompts, max(len(one.ids) for said in tokens for one in said), warnings


class _Progress:
    """Tells the parent, a few times a second at most."""

    def __init__(self, total: int) -> None:
        self.total, self.last = total, 0.0

    def __call__(self, done: int) -> None:
        if (now := time.monotonic()) - self.last > 0.3:
            self.last = now
            worker.say({"done": done, "total": self.total})


def _write(folder: Path, asking: Asking, times: Mapping[str, float], warnings: Sequence[str]) -> None:
    with (folder / REPLIES).open("wb") as file:
        for slot, kept in sorted(asking.got.items()):
            file.write(orjson.dumps([*slot, kept.text, kept.finish, kept.tokens, kept.logprob]) + b"\n")
    outcome = {
        "engine": asking.engine.facts if asking.engine else {"engine": asking.engine_name},
        "asked": asking.asked,
        "reused": len(asking.got) - asking.asked,
        "tokens": sum(kept.tokens for kept in asking.got.values()),
        "seconds": {name: round(value, 2) for name, value in times.items()},
        "warnings": warnings,
    }
    write_json(folder / OUTCOME, outcome)


if __name__ == "__main__":
    sys.exit(worker.work(sample, Path(sys.argv[1])))
