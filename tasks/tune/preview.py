"""preview: what tuning would see of preferences: the tokens of the first rows, chosen and rejected, and the counts.

Needs the base model's tokenizer and no weights. Renders, masks and cuts through the same code as tuning.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from storage.records import PonensError
from storage.tables.preferences import read
from tasks.models import base_models
from tasks.tokenizing import renderer as render
from tasks.tokenizing.masks import IGNORED, Sample
from tasks.train.spec import TrainSpec
from tasks.tune.encode import encode, sides
from tasks.tune.spec import TuneSpec


def preview(tune: TuneSpec, train: TrainSpec, preferences: Path, count: int) -> dict[str, Any]:
    """The replies of the first `count` rows token by token, and what all rows come to.

    {"rendering", "method", "max_length", "rows", "left_out", "alike", "replies", "trained", "truncated",
    "too_many_truncated", "shown": [{"name", "side", "tokens": [{"id", "text", "trained", "cut"}]}]}. PonensError where
    tuning would refuse the rows.
    """
    spec = tune.training(train)
    rows = read(preferences / "train.parquet")
    if not rows:
        raise PonensError("there is no preference to train on", seen=preferences, hint="see what prefer dropped")
    place = str(base_models.folder(spec.base_model) or spec.base_model)
    renderer = render.fit(render.load(place, spec.revision), spec.wish)
    found = encode(rows, renderer, spec.max_length, leave_out=spec.long_prompts == "leave_out")
    return {
        "rendering": renderer.rendering.dict(),
        "method": tune.method,
        "max_length": spec.max_length,
        "rows": len(found.rows),
        "left_out": found.left_out,
        "alike": found.alike,
        "replies": found.replies,
        "trained": found.trained,
        "truncated": found.truncated,
        "too_many_truncated": found.truncated > spec.max_truncated_share * found.replies,
        "shown": [
            {"name": sample.name, "side": side, "tokens": list(_tokens(sample, renderer, spec.max_length))}
            for samples in sides(rows[:count], renderer)
            for side, sample in samples.items()
        ],
    }


def _tokens(sample: Sample, renderer: render.Renderer, max_length: int) -> Iterator[dict[str, Any]]:
    for at, (id, label) in enumerate(zip(sample.ids, sample.labels, strict=True)):
        compared, cut = label != IGNORED, at >= max_length
        yield {"id": id, "text": renderer.tokenizer.decode([id]), "trained": compared and not cut, "cut": cut}
