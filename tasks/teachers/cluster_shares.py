"""Asking a teacher in shares, each by a process of its own on a Ray cluster, within one set of limits.

    share_out(ask, spec, questions, ledger, shop) ──▶ what all shares came to; the replies stand in the ledger

A share is the questions whose ids fall into it. Limits a minute, and calls at once, are shared out evenly; limits on
cost and requests by what each share has open, so that all shares together keep them. Every process writes a segment
of its own; one that takes a dead one's share over starts from what that had spent.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise
from operator import add
from pathlib import Path
from typing import Any

import orjson

from storage.artifacts import write_json
from storage.home import Home
from storage.ledger import Ledger, me
from storage.records import PonensError, Question
from tasks.runtime.cluster import Cluster, Tell, even, share_of
from tasks.runtime.code_key import code_version
from tasks.runtime.step import Progress, Secret, Tick, Workshop
from tasks.teachers.spec import AskSpec, Tally

Ask = Callable[[Any, Iterable[Question], Ledger, Progress, Secret, Tally], tuple[Tally, int]]
_TELL_S = 0.5
_MOST = 10_000


@dataclass(frozen=True)
class Part:
    """The questions of one share; walked as often as all of them can be."""

    questions: Iterable[Question]
    number: int
    of: int

    def __iter__(self) -> Iterator[Question]:
        return (q for q in self.questions if share_of(q.id, self.of) == self.number)


@dataclass(frozen=True)
class Share:
    """What a process of the cluster is given. `tries` is a file of who has begun this share; `code` is ours."""

    ask: Ask
    spec: AskSpec
    questions: Part
    home: Path
    tries: Path
    code: str
    keys: dict[str, str | None] = field(repr=False)


def share_out(
    ask: Ask, spec: AskSpec, questions: Iterable[Question], opened: Callable[[Question], int], shop: Workshop
) -> tuple[Tally, int]:
    """Have `ask`, a function of a module, ask for all questions; the tally of all shares, and their requests.

    `opened` is how much a question may still have to ask for. PonensError as `ask` raises it, and as `Crew.do` does.
    """
    assert shop.cluster is not None
    folder = shop.folder / f"shares-{secrets.token_hex(4)}"  # of this try: limits are a run's own
    keys = {name: shop.secret(name)} if (name := spec.provider.key) else {}
    code = code_version(ask.__module__)
    try:
        with _crew(shop.cluster, spec) as crew:
            parts = [Part(questions, number, crew.size) for number in range(crew.size)]
            shares = [
                Share(ask, own, part, shop.home.root, folder / f"{part.number}.tries", code, keys)
                for part, own in zip(parts, _cut(spec, questions, opened, crew.size), strict=True)
            ]
            note = f"{crew.size} shares"
            told = crew.do(work, shares, folder, lambda done, total: shop.progress(Tick(done, total, "requests", note)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tallies, totals = zip(*told, strict=True)
    return reduce(add, tallies), sum(totals)


def work(share: Share, tell: Tell) -> tuple[Tally, int]:
    """One share, in a process of the cluster."""
    if (found := code_version(share.ask.__module__)) != share.code:
        raise PonensError(
            "a machine of the Ray cluster has another release of ponens",
            seen=f"code {found} on {os.uname().nodename}",
            expected=f"code {share.code}",
            hint="install the same release on every machine",
        )
    told = 0.0

    def progress(tick: Tick) -> None:
        nonlocal told
        if time.monotonic() - told > _TELL_S or tick.done == tick.total:
            told = time.monotonic()
            tell(tick.done, tick.total or tick.done)

    with Ledger(Home(share.home), durable=not share.spec.provider.free) as ledger:
        tally = _taken_over(share, ledger)
        return share.ask(share.spec, share.questions, ledger, progress, share.keys.get, tally)


def _taken_over(share: Share, ledger: Ledger) -> Tally:
    """What processes that died with this share had asked for. Met again in the ledger, it is not counted twice."""
    tries: list[tuple[str, int]] = orjson.loads(share.tries.read_bytes()) if share.tries.exists() else []
    tally = Tally()
    for who, since in tries:
        for entry in ledger.written(who, since):
            tally.add(entry)
            tally.from_ledger -= ledger.settled(entry.key, share.spec.max_tokens, again=share.spec.again)
    write_json(share.tries, [*tries, [me(), time.time_ns()]])
    return tally


def _crew(cluster: Cluster, spec: AskSpec) -> Any:
    """A share a GPU for weights that run here; else no more shares than every limit can be split into."""
    limits = [spec.requests_per_minute, spec.tokens_per_minute, *([spec.workers] if spec.provider.key else [])]
    return cluster.crew(gpus=spec.provider.gpus, most=min([_MOST, *filter(None, limits)]))


def _cut(
    spec: AskSpec, questions: Iterable[Question], opened: Callable[[Question], int], shares: int
) -> Sequence[AskSpec]:
    """The spec of each share. Weights that run here have `workers` each: no server is asked by all of them."""
    own: dict[str, list[Any]] = {
        name: even(whole, shares)
        for name in ("workers", "requests_per_minute", "tokens_per_minute")
        if (whole := getattr(spec, name)) and (name != "workers" or spec.provider.key)
    }
    if spec.max_cost is not None or spec.max_requests is not None:
        weights = [0] * shares
        for question in questions:
            weights[share_of(question.id, shares)] += opened(question)
        total = max(1, sum(weights))
        if spec.max_cost is not None:
            own["max_cost"] = [spec.max_cost * weight / total for weight in weights]
        if spec.max_requests is not None:
            ends = [spec.max_requests * sum(weights[:n]) // total for n in range(shares + 1)]
            own["max_requests"] = [after - before for before, after in pairwise(ends)]
    return [spec.model_copy(update={name: parts[n] for name, parts in own.items()}) for n in range(shares)]
