"""Where a reply ends: a base whose eos is not what its template ends turns with, as Qwen2.5's bases are."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from prompts.rendering import Wish
from storage.adapters.versions import Adapter
from storage.artifacts import write_json
from storage.records import PonensError
from tasks.engines.interface import Loading
from tasks.train.order import TrainOrder
from tasks.train.spec import TrainSpec
from tests.tasks.train.test_whole_training import rows
from tests.tiny import tiny_base

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]
ENDOFTEXT, IM_END = 0, 2  # of tests.tiny's tokenizer
BARE = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"


def unlike(folder: Path, template: str | None = None) -> Path:
    """A base that stops at <|endoftext|> alone, while its template ends turns with <|im_end|>, or as `template` says."""
    tiny_base(folder, hidden=32, layers=1)
    for name in ("config.json", "generation_config.json"):
        told = json.loads((folder / name).read_text())
        write_json(folder / name, told | {"eos_token_id": ENDOFTEXT})
    told = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(told | {"eos_token": "<|endoftext|>"}))
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    return folder


def order(base: Path, out: Path, **settings: Any) -> TrainOrder:
    out.mkdir(parents=True, exist_ok=True)
    long = rows(1, seed=7, words=90)  # a prompt that alone fills max_length
    pl.DataFrame([*rows(16), *long]).write_parquet(out.parent / "train.parquet")
    given = {"base_model": str(base), "rank": 4, "max_steps": 2, "batch_size": 8, "gradient_accumulation": 1}
    spec = TrainSpec(**given | {"max_length": 64} | settings)  # type: ignore[arg-type]
    return TrainOrder(
        spec=spec,
        base_folder=str(base),
        train=out.parent / "train.parquet",
        valid=out.parent / "none.parquet",
        folder=out,
        about={},
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    from tasks.train import sft

    root = tmp_path_factory.mktemp("endings")
    base, adapter = unlike(root / "base"), root / "home" / "adapters" / "logic" / "1"
    sft.train(order(base, adapter, long_prompts="leave_out", optimizer="adamw_8bit"))
    return SimpleNamespace(base=base, adapter=adapter)


def test_the_template_s_end_joins_the_stops_and_is_saved_with_the_adapter(trained: SimpleNamespace) -> None:
    about = json.loads((trained.adapter / "adapter.json").read_text())
    saved = json.loads((trained.adapter / "generation_config.json").read_text())

    assert ["<|endoftext|>", "<|im_end|>"] == about["inference"]["stops"]
    assert [ENDOFTEXT, IM_END] == saved["eos_token_id"]


def test_rows_learnt_from_are_the_snapshot_s_less_those_left_out(trained: SimpleNamespace) -> None:
    facts = json.loads((trained.adapter / "adapter.json").read_text())["facts"]

    assert (16, 1) == (facts["rows"], facts["left_out"])
    assert facts["loss_last"] > 0, "eight bits of the optimizer's state work on a CPU"


def test_evaluation_stops_where_training_ended_for_adapter_and_base_alike(trained: SimpleNamespace) -> None:
    from tasks.engines import weights

    found = weights.readers(Loading(str(trained.base), {"logic/1": trained.adapter}), 128)

    assert {"base": [ENDOFTEXT, IM_END], "logic/1": [ENDOFTEXT, IM_END]} == {n: r.stops for n, r in found.items()}


def test_serving_stops_there_too(trained: SimpleNamespace) -> None:
    from tasks.serve import model

    base = model.base(trained.base, "base", "i" * 64)
    about = json.loads((trained.adapter / "adapter.json").read_text())
    asked = model._model(Adapter("logic", 1, trained.adapter), about, base)

    assert ((IM_END,), (IM_END,)) == (base.model.stops, asked.stops), "eos, where engines stop anyway, is not named"


def test_a_template_that_ends_turns_with_nothing_is_refused_before_the_model_is_loaded(tmp_path: Path) -> None:
    from tasks.train import sft

    with pytest.raises(PonensError, match=r"ends a reply with nothing(.|\n)*'<\|endoftext\|>'"):
        sft.train(order(unlike(tmp_path / "base", BARE), tmp_path / "out"))


def test_the_advice_for_a_template_without_a_system_turn_fits(tmp_path: Path) -> None:
    from tasks.tokenizing import renderer
    from tests.tiny import CHATML

    base = unlike(tmp_path / "base", NO_SYSTEM + CHATML)
    with pytest.raises(PonensError, match=r"leaves the system prompt out(.|\n)*leave \[train\] system out"):
        renderer.fit(renderer.load(str(base), None), Wish("own", system="Be brief."))
    plain = renderer.fit(renderer.load(str(base), None), Wish())
    with pytest.raises(PonensError, match=r"take it out of the rows, or set \[train\] template"):
        plain.text([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}])
