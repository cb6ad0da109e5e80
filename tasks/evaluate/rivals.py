"""Models that answer beside the base and its adapters, as a person names them.

openai:qwen-max, dashscope:qwen-plus     a model behind an API
hub:ORG/NAME, hub:ORG/NAME@REVISION      weights of its own, of the hub or a folder
logic/3, logic@champion                  an adapter of the home: none of these
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.records import UsageError
from tasks.teachers.provider import PROVIDERS

HUB = "hub"
APIS = tuple(name for name, provider in PROVIDERS.items() if provider.key)


@dataclass(frozen=True, slots=True)
class Rival:
    """A model that answers beside the base and its adapters: `provider` is whose API, None of weights of its own."""

    name: str
    provider: str | None
    model: str
    revision: str | None = None


def rival(reference: str) -> Rival:
    """The model that a reference with a prefix names. UsageError for an unknown prefix, and without a name."""
    prefix, _, model = reference.partition(":")
    known = (*APIS, HUB)
    if prefix not in known or not model.strip():
        raise UsageError(
            "this names no model",
            seen=repr(reference),
            expected=f"{', '.join(f'{name}:MODEL' for name in known)}, or an adapter such as logic/3",
        )
    if prefix != HUB:
        return Rival(reference, prefix, model)
    name, _, revision = model.partition("@")
    return Rival(reference, None, name, revision or None)


def is_rival(reference: str) -> bool:
    """Whether this is meant for a model with a prefix, known or not; else it is an adapter's name."""
    return ":" in reference
