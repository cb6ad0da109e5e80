"""Models that answer beside the base and its adapters: of an API, or with weights of their own.

    Beside(rivals, api, loading).draw(order, drawn, scratch, shop) ──▶ the replies of all, under their names

Each asks what the base was asked, but for a forced letter where a server renders the prompt. Weights of another model
are asked by its own chat template, with the system prompt of the recipe.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from storage.records import digest
from tasks.engines.open import choose, renders
from tasks.evaluate import cluster_shares, paid
from tasks.evaluate.generation import Drawn, Order, Reply, Subject
from tasks.evaluate.paid import ApiSpec
from tasks.evaluate.rivals import Rival
from tasks.kinds.asks import introduced
from tasks.models import base_models
from tasks.runtime.step import Workshop

_BASE = "base"  # what an order calls the model that it loads
_OWN = {"revision": None, "server": None, "max_model_len": None}


@dataclass(frozen=True)
class Beside:
    """The models of one evaluation that are neither its base nor adapters over it."""

    rivals: Sequence[Rival] = ()
    api: ApiSpec = field(default_factory=ApiSpec)

    @property
    def names(self) -> list[str]:
        return [rival.name for rival in self.rivals]

    @property
    def identities(self) -> dict[str, str]:
        """What stands for each model in a key: weights by their digest, an API's by its name and how it thinks."""
        thinks = [self.api.thinking, self.api.thinking_budget]
        return {
            f"model {one.name}": digest(["api", one.provider, one.model, *thinks])
            if one.provider
            else base_models.identity(one.model, one.revision)
            for one in self.rivals
        }

    def draw(self, order: Order, scratch: Path, shop: Workshop) -> Drawn:
        """The replies to the order, and those of the models beside it; the outcome's `models` says what these took."""
        drawn = cluster_shares.draw(order, scratch, shop)
        if not self.rivals:
            return drawn
        replies, told, warnings = list(drawn.replies), dict[str, Any](), list(drawn.outcome["warnings"])
        for rival in (one for one in self.rivals if not one.provider):
            more = self._loaded(rival, order, scratch / "beside", shop)
            replies += [replace(reply, subject=rival.name) for reply in more.replies]
            told[rival.name] = {name: more.outcome[name] for name in ("engine", "asked", "reused", "tokens", "seconds")}
            warnings += more.outcome["warnings"]
        apis = [one for one in self.rivals if one.provider]
        asks = introduced([replace(ask, forced=None) for ask in order.asks], order.rendering)
        answered, costs = paid.draw(apis, self.api, asks, order.decoding, shop) if apis else ([], {})
        return Drawn(_sorted([*replies, *answered]), {**drawn.outcome, "models": told | costs, "warnings": warnings})

    def _loaded(self, rival: Rival, order: Order, scratch: Path, shop: Workshop) -> Drawn:
        """The replies of a model with weights of its own, loaded by itself."""
        engine = choose("auto" if renders(order.engine) else order.engine)
        wish = replace(order.rendering, template="own") if order.rendering else None
        model = str(base_models.folder(rival.model) or rival.model)
        own = replace(
            order,
            engine=engine,
            loading={**order.loading, **_OWN, "model": model, "revision": rival.revision},
            subjects=[Subject(_BASE, base_models.identity(rival.model, rival.revision))],
            rendering=wish,
            secrets={},
        )
        drawn = cluster_shares.draw(own, scratch, shop)
        shutil.rmtree(scratch)
        return drawn


def _sorted(replies: Sequence[Reply]) -> list[Reply]:
    return sorted(replies, key=lambda reply: (reply.subject, reply.ask, reply.index))
