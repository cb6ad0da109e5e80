"""Replies of a trained adapter to training questions, drawn for real: no test question is asked, none is drawn twice."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from storage import warehouse
from storage.home import Home
from storage.records import Receipt, UsageError
from tasks.evaluate.candidates import Base, trained
from tasks.evaluate.spec import EvaluateSpec
from tasks.prefer import sample
from tasks.prefer.spec import PreferSpec
from tasks.runtime.step import Step, run_step
from tasks.train.sft import train
from tests.tasks.test_prefer import ASKED, parsed
from tests.tasks.trainings import order
from tests.tiny import tiny_base

pytestmark = [pytest.mark.heavy, pytest.mark.process, pytest.mark.timeout(600)]


def drawn(base: Path, asked: Receipt, adapter: Receipt, engine: str = "transformers", **settings: Any) -> Step:
    model = Base(str(base))
    spec = PreferSpec(**{"samples": 2, "max_tokens": 8, **settings})
    wish = order(base, base.parent / "unused").spec.wish
    return sample.step(spec, model, asked, trained(adapter), engine, EvaluateSpec().loading(model), wish)


def test_training_questions_alone_are_asked_and_a_reply_is_drawn_once(tmp_path: Path) -> None:
    base, home = tiny_base(tmp_path / "base", hidden=32, layers=1), Home(tmp_path / "home")
    supervised = order(base, tmp_path / "sft", 8, max_steps=3, warmup=0)
    train(supervised)
    place = home.adapters / "demo" / "1"
    place.parent.mkdir(parents=True)
    supervised.folder.rename(place)
    adapter = Receipt("train", "k", "d", "adapters/demo/1", {}, {}, 0.0, "")
    (place / "adapter.json").write_text("{}")
    questions = parsed(home)

    receipt, _ = run_step(drawn(base, questions, adapter), home)

    replies = pl.read_parquet(home.root / receipt.artifact / "samples.parquet")
    assert {q.id for q in ASKED if q.split != "test"} == set(replies["question"])
    assert {"demo/1"} == set(replies["subject"])
    assert [0, 1] * 4 == replies.sort("question", "index")["index"].to_list()
    assert 8 == receipt.facts["replies"] == receipt.facts["work"]["asked"]
    assert [(8,)] == [tuple(row.values()) for row in warehouse.query(home, "select count(*) from samples")]

    fewer, _ = run_step(drawn(base, questions, adapter, questions=2), home)

    assert (2, 0, 4) == (fewer.facts["questions"], fewer.facts["work"]["asked"], fewer.facts["work"]["reused"])
    with pytest.raises(UsageError, match="cannot be drawn through a server"):
        drawn(base, questions, adapter, engine="openai")
