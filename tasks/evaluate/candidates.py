"""What to compare: a base, and adapters by name or from a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from storage.adapters import versions as registry
from storage.home import Home
from storage.records import Receipt, UsageError
from tasks.runtime.step import of


@dataclass(frozen=True, slots=True)
class Base:
    """A base model: a folder or a hub's name, and there the revision."""

    base_model: str
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An adapter to evaluate: "NAME/N", its folder below the home, its digest (None: yet to be made).

    `parent` is the adapter that it went on from, "" where it began at the base.
    """

    name: str
    artifact: str
    digest: str | None
    parent: str = ""


def stages_of(candidates: Sequence[Candidate]) -> list[tuple[str, str]]:
    """Which of these went on from which, (parent, child), in the order of their making."""
    names = {c.name for c in candidates}
    return [(c.parent, c.name) for c in reversed(candidates) if c.parent in names]


def stated(home: Path, candidate: Candidate) -> Base | None:
    """What an adapter says that it was trained on; None if it does not say. PonensError if it is damaged."""
    about = registry.about(registry.resolve(Home(home), candidate.name))
    return Base(about["base_model"], about.get("revision")) if about.get("base_model") else None


def trained(receipt: Receipt, parent: str = "") -> Candidate:
    """The adapter that a training left behind, gone on from `parent` if that is given."""
    return Candidate(receipt.artifact.removeprefix("adapters/"), receipt.artifact, of(receipt), parent)


def named(home: Path, references: Sequence[str]) -> list[Candidate]:
    """The adapters that are named as `storage.adapters.versions` has it; `home` is the home's root.

    UsageError if one is not there.
    """
    found = [registry.resolve(Home(home), reference) for reference in references]
    return [_candidate(adapter) for adapter in found]


def _candidate(adapter: registry.Adapter) -> Candidate:
    about = registry.about(adapter)
    parent = (about.get("parent") or {}).get("adapter", "")
    return Candidate(str(adapter), f"adapters/{adapter}", str(about["digest"]), parent)


def base(home: Path, candidates: Sequence[Candidate]) -> Base:
    """The base that adapters of this home were trained on. UsageError if that is not one, or not known."""
    manifests = [registry.about(registry.resolve(Home(home), c.name)) for c in candidates]
    found = {Base(str(m.get("base_model") or ""), m.get("revision")) for m in manifests}
    if len(found) > 1 or not all(one.base_model for one in found):
        raise UsageError(
            "the adapters do not say one base model",
            seen=", ".join(f"{c.name}: {m.get('base_model')}" for c, m in zip(candidates, manifests, strict=True)),
            expected="the same for all",
            hint="evaluate those of one base at a time, or set [evaluate] base_model",
        )
    return found.pop()
