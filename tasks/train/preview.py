"""preview: what training would see of a snapshot: the tokens of its first rows, which of them teach, and the counts.

Needs the base model's tokenizer and no weights. Renders, masks and cuts through the same code as training.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from storage.records import PonensError
from storage.tables.examples import read
from tasks.models import base_models
from tasks.tokenizing import encoding
from tasks.tokenizing import renderer as render
from tasks.tokenizing.masks import IGNORED, Sample, Teaching, samples
from tasks.train.spec import TrainSpec

_NAMED = 20  # cut samples that are named


def preview(spec: TrainSpec, snapshot: Path, count: int) -> dict[str, Any]:
    """The samples of the first `count` rows token by token, and what all rows come to.

    {"rendering", "loss", "max_length", "rows", "samples", "left_out", "tokens", "trained", "truncated", "cut": [names],
    "shown": [{"name", "tokens": [{"id", "text", "trained", "cut"}]}]}; `tokens` and `trained` count what is left
    after the cut. PonensError where training would refuse the rows.
    """
    rows = read(snapshot / "train.parquet")
    if not rows:
        raise PonensError("the snapshot has no row to train on", seen=snapshot, hint="see what assemble dropped")
    place = str(base_models.folder(spec.base_model) or spec.base_model)
    renderer = render.fit(render.load(place, spec.revision), spec.wish)
    teaching = Teaching(spec.loss, spec.learn_thinking)
    shown = [_shown(s, renderer, spec.max_length) for s in samples(rows[:count], renderer, teaching)]
    total = {"samples": 0, "left_out": 0, "tokens": 0, "trained": 0, "truncated": 0}
    cut: list[str] = []
    for sample in samples(rows, renderer, teaching):
        if spec.long_prompts == "leave_out" and encoding.prompt_fills(sample, spec.max_length):
            total["left_out"] += 1
            continue
        long = len(sample.ids) > spec.max_length
        total["samples"] += 1
        total["tokens"] += min(len(sample.ids), spec.max_length)
        total["trained"] += encoding.learnt_within(sample, spec.max_length)
        total["truncated"] += long
        cut += [sample.name] if long and len(cut) < _NAMED else []
    return {
        "rendering": renderer.rendering.dict(),
        "loss": spec.loss,
        "max_length": spec.max_length,
        "rows": len(rows),
        **total,
        "too_many_truncated": total["truncated"] > spec.max_truncated_share * total["samples"],
        "cut": cut,
        "shown": shown,
    }


def _shown(sample: Sample, renderer: render.Renderer, max_length: int) -> dict[str, Any]:
    return {"name": sample.name, "tokens": list(_tokens(sample, renderer, max_length))}


def _tokens(sample: Sample, renderer: render.Renderer, max_length: int) -> Iterator[dict[str, Any]]:
    for at, (id, label) in enumerate(zip(sample.ids, sample.labels, strict=True)):
        trained, cut = label != IGNORED, at >= max_length
        yield {"id": id, "text": renderer.tokenizer.decode([id]), "trained": trained and not cut, "cut": cut}
