"""The model card of an adapter, README.md in its folder: gathered from what the steps left behind.

It is a note for people, named by no manifest: it is written anew when there is an evaluation, the adapter stays.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evals.report import model_card
from storage.adapters import registry
from storage.adapters import versions as adapters
from storage.adapters.versions import Adapter
from storage.home import Home
from storage.records import PonensError
from storage.tables import snapshot_catalog
from tasks.models import base_models

CARD = "README.md"
NOT_STATED = "not stated"


def write(home: Home, adapter: Adapter) -> Path:
    """Write the card as of now, aside and renamed; its path."""
    card = adapter.folder / CARD
    aside = card.with_name(f".{CARD}.{os.getpid()}")
    aside.write_text(model_card.markdown(gather(home, adapter)), "utf-8")
    aside.replace(card)
    return card


def gather(home: Home, adapter: Adapter) -> model_card.ModelCardFacts:
    """What is known of an adapter: its own facts, its snapshot's, its newest evaluation's."""
    about = adapters.about(adapter)
    facts, settings = about.get("facts", {}), about.get("settings", {})
    judged = registry.evaluations(home).get(str(adapter))
    return {
        "adapter": str(adapter),
        "method": settings.get("method") or "LoRA",
        "digest": about["digest"],
        "base_model": base_models.title(str(about.get("base_model") or NOT_STATED)),
        "hub_base": _of_hub(about.get("base_model")),
        "revision": about.get("revision"),
        "base_identity": about.get("base_identity"),
        "template": facts.get("template"),
        "prompt": about.get("prompt"),
        "snapshot": about.get("snapshot"),
        "origin": (about.get("origin") or {}).get("imported_from"),
        "data": _data(home, about.get("snapshot")),
        "settings": {name: value for name, value in settings.items() if name not in ("name", "base_model", "revision")},
        "steps": facts.get("steps", 0),
        "trained_tokens": facts.get("trained_tokens", 0),
        "truncated": facts.get("truncated", 0),
        "trainable": facts.get("trainable"),
        "parameters": facts.get("parameters"),
        "loss": (facts["loss_first"], facts["loss_last"]) if "loss_first" in facts else None,
        "valid_loss": facts.get("valid_loss"),
        "evaluation": judged if judged and judged.get("base") and judged.get("paired") else None,
        "limits": _limits(facts, settings, judged),
    }


def _of_hub(base_model: str | None) -> bool:
    try:
        return bool(base_model) and base_models.folder(str(base_model)) is None
    except PonensError:  # a folder that is not there
        return False


def _data(home: Home, snapshot: str | None) -> model_card.DataFacts | None:
    there = (
        next((s for s in snapshot_catalog.listing(home) if s.manifest["digest"] == snapshot), None)
        if snapshot
        else None
    )
    if there is None:
        return None
    given = there.manifest.get("ingredients", {}).get("settings", {}).get("license") or NOT_STATED
    licences = list(given.items()) if isinstance(given, Mapping) else [("all sources", given)]
    return {"train": there.facts["rows"]["train"], "valid": there.facts["rows"]["valid"], "licences": licences}


def _limits(facts: Mapping[str, Any], settings: Mapping[str, Any], judged: Mapping[str, Any] | None) -> list[str]:
    found = ["It belongs to this base model, and to the chat template in this folder."]
    if facts.get("truncated"):
        found.append(f"{facts['truncated']} of {facts['rows']} rows were cut in training: their ends were not learnt.")
    if settings.get("method") == "qlora":
        found.append("It was trained over a quantised base; over the unquantised one its answers differ a little.")
    if judged is None:
        found.append("It is not evaluated: whether it is better than its base is not known.")
    else:
        asked = f"{judged['questions']} questions" if judged.get("questions") else "the questions"
        found.append(f"The evaluation speaks for {asked} of its test split, and for no other task.")
    return found
