"""Adapters to compare with their base: by name, or from a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from storage import adapters as registry
from storage.home import Home
from storage.records import Receipt
from tasks.step import of


@dataclass(frozen=True, slots=True)
class Candidate:
    """An adapter to evaluate: "NAME/N", its folder below the home, its digest (None: yet to be made)."""

    name: str
    artifact: str
    digest: str | None


@dataclass(frozen=True, slots=True)
class Base:
    """A base model by folder or hub name, and its commit or tag."""

    base_model: str
    revision: str | None


def base_of(home: Path, candidate: Candidate) -> Base | None:
    """What an adapter says that it was trained on; None if it does not say. PonensError if it is damaged."""
    about = registry.about(registry.resolve(Home(home), candidate.name))
    return Base(about["base_model"], about.get("revision")) if about.get("base_model") else None


def trained(receipt: Receipt) -> Candidate:
    """The adapter that a training left behind."""
    return Candidate(receipt.artifact.removeprefix("adapters/"), receipt.artifact, of(receipt))


def named(home: Path, references: Sequence[str]) -> list[Candidate]:
    """The adapters that are named as `storage.adapters` has it; `home` is the home's root.

    UsageError if one is not there.
    """
    found = [registry.resolve(Home(home), reference) for reference in references]
    return [Candidate(str(a), f"adapters/{a}", str(registry.about(a)["digest"])) for a in found]
