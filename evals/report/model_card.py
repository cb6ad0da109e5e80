"""The model card of an adapter, README.md with the Hub's front matter: facts, and nothing that no step has found.

markdown(facts) -> text
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from evals.report.templates import rendered

_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


class DataFacts(TypedDict):
    """Examples by split, and each source's licence as it was given."""

    train: int
    valid: int
    licences: Sequence[tuple[str, str]]


class ModelCardFacts(TypedDict):
    """What a card shows; None or empty is said to be not stated. `loss` is the first and the last.

    `hub_base` is whether the base model is a hub's, and so may stand in the front matter. `evaluation` is
    storage.adapters.registry's.
    """

    adapter: str
    method: str
    digest: str
    base_model: str
    hub_base: bool
    revision: str | None
    base_identity: str | None
    template: str | None
    prompt: str | None
    snapshot: str | None
    origin: str | None
    data: DataFacts | None
    settings: Mapping[str, Any]
    steps: int
    trained_tokens: int
    truncated: int
    trainable: int | None
    parameters: int | None
    loss: tuple[float, float] | None
    valid_loss: float | None
    evaluation: Mapping[str, Any] | None
    limits: Sequence[str]


def markdown(facts: ModelCardFacts) -> str:
    """The card as Markdown, with YAML front matter that the Hub takes."""
    named = facts["hub_base"] and _HUB.fullmatch(facts["base_model"])
    hub_base = facts["base_model"] if named else ""
    return rendered("model_card.md.j2", facts=facts, hub_base=hub_base)
