"""Adapters to compare with their base: by name or from a training, and as a subject of an order of replies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from storage import adapters as registry
from storage.home import Home
from storage.records import PonensError, Receipt, digest
from tasks.sampling.order import Subject
from tasks.step import Workshop, of


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


def subject(candidate: Candidate, base: str, shop: Workshop) -> Subject:
    """Who answers for an adapter. PonensError if it is gone, or was trained on another base than `base`."""
    folder = shop.home.root / candidate.artifact
    try:
        about = orjson.loads((folder / "adapter.json").read_bytes())
    except OSError:
        raise PonensError(f"adapter {candidate.name} is gone", seen=folder, hint="run the recipe again") from None
    if about.get("base_identity", base) != base:
        raise PonensError(
            f"adapter {candidate.name} was trained on another base model",
            seen=f"identity {base[:16]} of the base to compare with",
            expected=f"{about['base_identity'][:16]}, as adapter.json says ({about.get('base_model')})",
            hint="evaluate with the base model and revision it was trained on, or train again",
        )
    template = about.get("template") or about.get("facts", {}).get("template")
    return Subject(candidate.name, digest([base, candidate.digest]), str(folder), template)
