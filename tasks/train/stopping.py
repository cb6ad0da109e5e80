"""Where a reply ends, by token: found before training, and saved beside the weights as every engine reads it."""

from __future__ import annotations

from pathlib import Path

import orjson

from storage.artifacts import write_json
from tasks.runtime import worker
from tasks.tokenizing import renderer as render
from tasks.train.spec import TrainSpec


def tokens(place: str, spec: TrainSpec, renderer: render.Renderer) -> set[int]:
    """Where a reply ends: the base model's stops, the tokenizer's eos, and the token by which the template ends it."""
    tokenizer, ends = renderer.tokenizer, render.end_tokens(renderer)
    stops = render.stop_tokens(place, None if Path(place).is_dir() else spec.revision) | {tokenizer.eos_token_id}
    found = {stop for stop in stops if stop is not None}
    ids = tokenizer.convert_tokens_to_ids(ends)
    if not found.intersection(ids):
        worker.say({"say": f"replies end with {ends[0]!r}, which joins the model's stops: {tokenizer.eos_token!r}"})
        found.add(ids[0])
    return found


def note(folder: Path, place: str, stops: set[int]) -> None:
    """Save where replies end beside the weights, as every engine reads it; the base's other settings stay."""
    name = "generation_config.json"
    known = next((f for f in (folder / name, Path(place) / name) if f.is_file()), None)
    told = orjson.loads(known.read_bytes()) if known else {}
    write_json(folder / name, told | {"eos_token_id": sorted(stops)})
