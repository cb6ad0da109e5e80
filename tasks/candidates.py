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


def trained(receipt: Receipt) -> Candidate:
    """The adapter that a training left behind."""
    return Candidate(receipt.artifact.removeprefix("adapters/"), receipt.artifact, of(receipt))


def named(home: Path, references: Sequence[str]) -> list[Candidate]:
    """The adapters that "NAME/N" or "NAME@latest" name; `home` is the home's root. UsageError if one is not there."""
    found = [registry.resolve(Home(home), reference) for reference in references]
    return [Candidate(str(a), f"adapters/{a}", str(registry.about(a)["digest"])) for a in found]
