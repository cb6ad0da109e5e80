"""Who is asked: an adapter's folder held against its base, and what a server calls whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from storage.adapters.folder import AdapterFolder
from storage.home import Home
from storage.records import PonensError, digest
from tasks.engines.openai_spec import ServerSpec
from tasks.evaluate.candidates import Candidate
from tasks.evaluate.generation import Subject


def of_adapter(name: str, folder: Path, content: str | None, base: str) -> Subject:
    """The adapter as a subject; `content` is its digest, `base` the identity of the model to compare with.

    PonensError if it is gone, or was trained on another base.
    """
    try:
        about = AdapterFolder(folder).about
    except OSError:
        raise PonensError(f"adapter {name} is gone", seen=folder, hint="run the recipe again") from None
    if about.get("base_identity", base) != base:
        raise PonensError(
            f"adapter {name} was trained on another base model",
            seen=f"identity {base[:16]} of the base to compare with",
            expected=f"{about['base_identity'][:16]}, as adapter.json says ({about.get('base_model')})",
            hint="evaluate with the base model and revision it was trained on, or train again",
        )
    return Subject(name, digest([base, content]), str(folder), about.get("rendering"))


def served(
    server: ServerSpec, subjects: Sequence[Subject], base_model: str, *, logprobs: bool
) -> tuple[list[Subject], dict[str, Any]]:
    """The subjects as a server has them, and what its engine is told.

    Their weights are taken on trust: what stands for them names the server and its name for the subject as well.
    A reply drawn without log-probabilities is another one where these are wanted.
    """
    names = {s.name: server.models.get(s.name, base_model if s.name == "base" else s.name) for s in subjects}
    theirs = [
        replace(s, weights=digest([s.weights, server.address, names[s.name], logprobs]), folder=None, rendering=None)
        for s in subjects
    ]
    return theirs, server.model_dump() | {"base_url": server.address, "models": names, "logprobs": logprobs}


def otherwise(home: Home, candidates: Sequence[Candidate], version: str) -> list[str]:
    """A warning for each adapter that was trained with other words than it is asked with, by their versions."""
    found = []
    for candidate in candidates:
        try:
            theirs = AdapterFolder(home.root / candidate.artifact).about.get("prompt")
        except (OSError, ValueError):  # whoever loads it says so
            continue
        if theirs and theirs != version:
            found.append(f"{candidate.name} was trained with prompt {theirs} and is asked with {version}")
    return found
