"""The preview against what training takes: same samples, same cut, no weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.cli.preview import CUT, GIVEN, LEARNT, coloured, counts
from prompts.rendering import Wish
from storage.records import PonensError
from tasks.tokenizing import renderer as render
from tasks.tokenizing.encoding import encode
from tasks.tokenizing.masks import IGNORED, Teaching
from tasks.train.preview import preview
from tasks.train.step import TrainSpec
from tests.conversations import OWN, row, turns
from tests.tiny import tiny_tokenizer

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer beside weights that nobody could load."""
    folder = tmp_path_factory.mktemp("base")
    tiny_tokenizer().save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2"}))
    (folder / "model.safetensors").write_bytes(b"no weights")
    return folder


def spec(base: Path, **settings: Any) -> TrainSpec:
    return TrainSpec(base_model=str(base), **settings)


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    pl.DataFrame(OWN, infer_schema_length=None).write_parquet(tmp_path / "train.parquet")
    return tmp_path


def test_it_shows_the_tokens_and_labels_that_training_takes(base: Path, snapshot: Path) -> None:
    found = preview(spec(base, loss="split", max_length=108), snapshot, 2)
    renderer = render.fit(render.load(str(base), None), Wish())
    taken = encode(OWN, renderer, 108, Teaching("split"))

    assert (3, 6, taken.trained, taken.truncated) == tuple(
        found[k] for k in ("rows", "samples", "trained", "truncated")
    )
    assert ["row one", "row two", "row two", "row two"] == [s["name"].partition(",")[0] for s in found["shown"]]
    for sample, ids, labels in zip(found["shown"], taken.ids, taken.labels, strict=False):
        kept = [t for t in sample["tokens"] if not t["cut"]]
        assert ids == [t["id"] for t in kept]
        assert [label != IGNORED for label in labels] == [t["trained"] for t in kept]
    assert sum(map(len, taken.ids)) == found["tokens"]


def test_what_is_cut_is_named_and_counted(base: Path, snapshot: Path) -> None:
    whole = preview(spec(base), snapshot, 3)
    longest = max(len(s["tokens"]) for s in whole["shown"])
    found = preview(spec(base, max_length=longest - 2), snapshot, 3)

    assert (0, []) == (whole["truncated"], whole["cut"])
    assert (1, ["row two"], True) == (found["truncated"], found["cut"], found["too_many_truncated"])
    assert 2 == sum(token["cut"] for sample in found["shown"] for token in sample["tokens"])
    assert "row two" in counts(found)


def test_learnt_given_and_cut_tokens_differ_in_colour() -> None:
    tokens = [
        {"id": n, "text": text, "trained": text == "b\n", "cut": text == "c"}
        for n, text in enumerate(["a", "b\n", "c"])
    ]
    text = coloured(tokens)

    assert "a|b⏎\n|c|" == text.plain
    assert [GIVEN, LEARNT, CUT] == [str(span.style) for span in text.spans if span.style != "bright_black"]


def test_a_row_that_training_would_refuse_is_refused_here(base: Path, tmp_path: Path) -> None:
    long = [*OWN, row("long", turns("north " * 400, "East."))]
    pl.DataFrame(long, infer_schema_length=None).write_parquet(tmp_path / "train.parquet")

    with pytest.raises(PonensError, match="row long has no token to learn"):
        preview(spec(base, max_length=300), tmp_path, 1)


def test_an_empty_snapshot_is_refused(base: Path, snapshot: Path) -> None:
    pl.read_parquet(snapshot / "train.parquet").clear().write_parquet(snapshot / "train.parquet")

    with pytest.raises(PonensError, match="no row to train on"):
        preview(spec(base), snapshot, 1)


def test_a_wish_that_the_template_cannot_grant_is_refused(base: Path, snapshot: Path) -> None:
    with pytest.raises(PonensError, match=r"'own' has no thinking mode(.|\n)*thinking = true"):
        preview(spec(base, thinking=True), snapshot, 1)
