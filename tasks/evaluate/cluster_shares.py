"""An order in shares, each with an engine of its own on a Ray cluster: its asks fall into them by their ids.

A share is an order as any other, drawn in a child process of a process of the cluster, which gives it its GPUs. Replies
are keyed by content, so those of a share that died are found again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from storage.home import Home
from tasks.engines.open import renders
from tasks.evaluate.generation import Drawn, Order
from tasks.runtime.cluster import Tell, even, share_of
from tasks.runtime.step import Tick, Workshop


@dataclass(frozen=True)
class Share:
    """What a process of the cluster is given."""

    order: Order
    scratch: Path
    home: Home


def draw(order: Order, scratch: Path, shop: Workshop) -> Drawn:
    """As `Order.draw`; on the workshop's cluster, if it has one, with as many engines as there are shares."""
    if shop.cluster is None:
        return order.draw(scratch, shop)
    server, devices = order.loading.get("server") or {}, order.loading.get("tensor_parallel", 1)
    limits = [len(order.asks), *(server[name] for name in ("workers", "requests_per_minute") if server.get(name))]
    with shop.cluster.crew(gpus=0 if renders(order.engine) else devices, most=max(1, min(limits))) as crew:
        orders = [_own(order, number, crew.size) for number in range(crew.size)]
        shares = [Share(own, scratch / str(n), shop.home) for n, own in enumerate(orders) if own.asks]
        drawn = crew.do(work, shares, scratch, lambda done, total: shop.progress(Tick(done, total, "replies")))
    return _together(drawn)


def work(share: Share, tell: Tell) -> Drawn:
    """One share, in a process of the cluster."""
    shop = Workshop(share.scratch, share.home, lambda tick: tell(tick.done, tick.total or tick.done))
    return share.order.draw(share.scratch, shop)


def _own(order: Order, number: int, shares: int) -> Order:
    """The order of one share: its asks, one copy of the model, and its part of what a server may be asked."""
    loading: dict[str, Any] = {**order.loading, "data_parallel": 1}
    if server := order.loading.get("server"):
        names = [name for name in ("workers", "requests_per_minute") if server.get(name)]
        loading["server"] = {**server, **{name: even(server[name], shares)[number] for name in names}}
    asks = [ask for ask in order.asks if share_of(ask.id, shares) == number]
    return replace(order, asks=asks, loading=loading)


def _together(drawn: Sequence[Drawn]) -> Drawn:
    outcomes = [one.outcome for one in drawn]
    added = {name: sum(o[name] for o in outcomes) for name in ("asked", "reused", "tokens")}
    times = {name: max(o["seconds"].get(name, 0.0) for o in outcomes) for name in ("start", "sample", "total")}
    engine = max((o["engine"] for o in outcomes), key=len)  # a share that found all its replies loaded none
    warnings = list(dict.fromkeys(warning for o in outcomes for warning in o["warnings"]))
    outcome = {"engine": engine, "shares": len(drawn), **added, "seconds": times, "warnings": warnings}
    replies = sorted((r for one in drawn for r in one.replies), key=lambda r: (r.subject, r.ask, r.index))
    return Drawn(replies, outcome)
