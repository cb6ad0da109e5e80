"""How preferences are dealt out, and what tuning them takes, before anything is loaded but the tokenizer.

dealt(spec, encoded)              steps, rows a step, passes a step, cells of the largest pass
estimate(tune, train, …)          the same with memory, tokens and, where it was measured before, time
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storage.adapters import versions as registry
from storage.home import Home
from storage.records import Receipt
from storage.tables.preferences import read
from tasks.models import base_models
from tasks.tokenizing import renderer as render
from tasks.train import estimate as sizes
from tasks.train.spec import TrainSpec
from tasks.tune.encode import Encoded, encode
from tasks.tune.spec import REFERENCED, TuneSpec


def dealt(spec: TrainSpec, encoded: Encoded) -> dict[str, int]:
    """Optimizer steps, rows a step, passes a step and cells of the largest pass, in which a pair is two rows."""
    told = sizes.steps([row.longest for row in encoded.rows], spec)
    return {**told, "cells": 2 * told["cells"]}


def estimate(tune: TuneSpec, train: TrainSpec, home: Home, preferences: Receipt) -> dict[str, Any]:
    """What tuning would take. UsageError if the base is not on this machine."""
    spec = tune.training(train)
    place = base_models.snapshot(spec.base_model, spec.revision)
    renderer = render.fit(render.load(str(place), spec.revision), spec.wish)
    rows = read(home.root / preferences.artifact / "train.parquet")
    encoded = encode(rows, renderer, spec.max_length, leave_out=spec.long_prompts == "leave_out")
    told = dealt(spec, encoded)
    cells = told.pop("cells")
    shape, (device, room) = sizes.read(Path(place)), sizes.device()
    largest = sizes.Pass(cells, cells, device != "CPU")
    twice = spec.gradient_checkpointing
    if twice is None:
        twice = room is not None and sizes.needs_checkpointing(shape, spec, largest, room)
    memory = sizes.memory(shape, spec, largest, checkpointing=twice)
    learnt = round(encoded.trained * told["steps"] * told["rows_a_step"] / max(1, len(encoded.rows)))
    known = _speed(home, tune, spec)
    return {
        "method": tune.method,
        "reference": tune.reference if tune.method in REFERENCED else None,
        "device": device,
        "room": room,
        "fits": None if room is None else memory["total"] <= room,
        "memory": memory,
        "gradient_checkpointing": twice,
        **told,
        "rows": len(encoded.rows),
        "left_out": encoded.left_out,
        "alike": encoded.alike,
        "truncated": encoded.truncated,
        "trained_tokens": learnt,
        "seconds": round(learnt / known[0]) if known else None,
        "measured_by": known[1] if known else None,
    }


def _speed(home: Home, tune: TuneSpec, spec: TrainSpec) -> tuple[float, str] | None:
    """Tokens a second of an earlier tuning by this method of the same base on this machine, and whose it was."""
    base = base_models.identity(spec.base_model, spec.revision)
    for name in registry.names(home):
        for number in reversed(registry.versions(home, name)):
            about: Mapping[str, Any] = registry.about(registry.resolve(home, f"{name}/{number}"))
            facts, settings = about.get("facts", {}), about.get("settings", {})
            alike = (settings.get("tune") or {}).get("method") == tune.method and about.get("base_identity") == base
            if alike and facts.get("machine") == sizes.machine() and facts.get("tokens_per_second"):
                return float(facts["tokens_per_second"]), f"{name}/{number}"
    return None
