"""An adapter with tokens of its own: trained on Yuan2's template, loaded by peft and by every engine."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from prompts.rendering import Wish, shipped
from storage.home import Home
from storage.records import PonensError, Question
from storage.tables.questions import write
from storage.tables.samples import SAMPLES
from tasks.evaluate.spec import EvaluateSpec
from tasks.evaluate.step import step
from tasks.runtime.step import run_step
from tasks.train.order import TrainOrder
from tasks.train.spec import TrainSpec
from tests.tasks.engines.test_engines_heavy import QUESTIONS, greedy, receipt
from tests.tasks.train.test_whole_training import rows
from tests.tiny import tiny_base

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]
NEW = list(shipped("yuan2").tokens)


def order(base: Path, out: Path, **settings: Any) -> TrainOrder:
    out.mkdir(parents=True, exist_ok=True)
    examples = rows(32)
    pl.DataFrame(examples).write_parquet(out.parent / "train.parquet")
    given: dict[str, Any] = {"template": "yuan2", "rank": 8, "learning_rate": 2e-2, "epochs": 6, "max_length": 128}
    given |= {"batch_size": 8, "gradient_accumulation": 1, "base_model": str(base)} | settings
    return TrainOrder(
        spec=TrainSpec(**given),
        base_folder=str(base),
        train=out.parent / "train.parquet",
        valid=out.parent / "none.parquet",
        folder=out,
        about={},
    )


def untie(base: Path) -> None:
    """Give the base a head of its own."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base)
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight) * 0.1)
    model.save_pretrained(base)


@pytest.fixture(scope="module", params=["tied", "untied"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    from tasks.train import sft

    root = tmp_path_factory.mktemp(request.param)
    base = tiny_base(root / "base", hidden=32, layers=1)
    if request.param == "untied":
        untie(base)
    home = Home(root / "home")
    adapter = home.adapters / "yuan" / "1"
    sft.train(order(base, adapter))
    return SimpleNamespace(base=base, adapter=adapter, home=home, tied=request.param == "tied")


def test_its_new_rows_are_saved_with_the_adapter_and_learnt(trained: SimpleNamespace) -> None:
    from safetensors.torch import load_file

    about = json.loads((trained.adapter / "adapter.json").read_text())
    saved = load_file(trained.adapter / "adapter_model.safetensors")
    new = {name: value for name, value in saved.items() if "trainable_tokens" in name}

    assert NEW == about["rendering"]["added_tokens"]
    assert {(len(NEW), 32)} == {tuple(value.shape) for value in new.values()}
    assert (1 if trained.tied else 2) == len(new)
    assert about["facts"]["canary"]["merge_error"] < 1e-3
    for value in new.values():
        assert not value[0].equal(value[1]), "all began alike, as the mean; <eod> and <sep> have learnt since"
    assert about["facts"]["loss_last"] < 0.8 * about["facts"]["loss_first"]


def test_plain_peft_and_the_engines_give_the_same_logits(trained: SimpleNamespace) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from tasks.engines import weights
    from tasks.engines.interface import Loading

    tokenizer = AutoTokenizer.from_pretrained(trained.adapter)
    bare = AutoModelForCausalLM.from_pretrained(trained.base)
    bare.resize_token_embeddings(len(tokenizer))
    plain = PeftModel.from_pretrained(bare, trained.adapter).eval()
    ours = weights.load(Loading(str(trained.base), {"yuan/1": trained.adapter}), trained.adapter)
    asked = tokenizer.apply_chat_template(rows(1)[0]["prompt"], add_generation_prompt=True, return_tensors="pt")
    reply = plain.generate(**asked, do_sample=False, max_new_tokens=24)[0]

    assert "<eod>" == tokenizer.eos_token
    assert tokenizer.decode(asked["input_ids"][0]).endswith("<sep>")
    assert "<eod>" == tokenizer.decode(reply[-1]), "it learnt to stop"
    assert float((plain(**asked).logits - ours(**asked).logits).abs().max()) < 1e-4


def test_the_trainer_s_two_ways_to_the_loss_agree_on_new_rows(trained: SimpleNamespace, tmp_path: Path) -> None:
    from trl.trainer.sft_trainer import SFTTrainer

    from tasks.models import vocabulary
    from tasks.tokenizing import encoding
    from tasks.tokenizing import renderer as render
    from tasks.tokenizing.masks import Teaching
    from tasks.train import loading, sft

    renderer = render.fit(render.load(str(trained.base), None), Wish("yuan2"))
    spec = order(trained.base, tmp_path / "out").spec
    model = loading.load(str(trained.base), spec)
    added = renderer.tokenizer.convert_tokens_to_ids(NEW)
    vocabulary.make_room(model, added)
    encoded = encoding.encode(rows(8), renderer, 128, Teaching())
    trainer = sft.make(spec, tmp_path, renderer.tokenizer, model, encoded, encoded, added)
    batch = trainer.packed([trainer.train_dataset[n] for n in range(8)])
    trainer.model.eval()

    def slopes(compute: Any) -> dict[str, Any]:
        trainer.model.zero_grad()
        compute().backward()
        found = trainer.model.named_parameters()
        return {n: p.grad.clone() for n, p in found if "trainable_tokens" in n}

    ours = slopes(lambda: trainer.compute_loss(trainer.model, dict(batch)))
    theirs = slopes(lambda: SFTTrainer.compute_loss(trainer, trainer.model, dict(batch)))
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert float(ours[name].abs().max()) > 0
        assert float((ours[name] - theirs[name]).abs().max()) < 1e-4 * float(ours[name].abs().max())


def evaluated(trained: SimpleNamespace, engine: str, wish: Wish | None = None, **settings: Any) -> Any:
    home = trained.home
    if not (home.root / "artifacts" / "questions").exists():
        (home.root / "artifacts" / "questions").mkdir(parents=True)
        write(home.root / "artifacts" / "questions", QUESTIONS, lambda group: "test")
    model = SimpleNamespace(base_model=str(trained.base), revision=None)
    spec = EvaluateSpec(engine=engine, votes=1, max_tokens=24, **settings)  # type: ignore[arg-type]
    asked = step(
        spec, model, receipt("parse", "artifacts/questions"), receipt("train", "adapters/yuan/1"), rendering=wish
    )
    made, _ = run_step(asked, home)
    return dict(made.facts), pl.read_parquet(home.root / made.artifact / SAMPLES)


def prompts(questions: list[Question], wish: Wish, base: Path) -> set[str]:
    from prompts import choice
    from tasks.tokenizing import renderer as render

    one = render.fit(render.load(str(base), None), wish)
    return {one.prompt([m.dict() for m in choice.solve(q)]) for q in questions}


@pytest.mark.vllm
@pytest.mark.parametrize("trained", ["untied"], indirect=True)
def test_vllm_merges_it_beside_a_base_that_never_says_its_tokens(trained: SimpleNamespace) -> None:
    _, plain = evaluated(trained, "transformers")
    facts, samples = evaluated(trained, "vllm")

    assert "merged" == facts["work"]["engine"]["applied"]
    for subject in ("base", "yuan/1"):
        assert greedy(plain, subject) == greedy(samples, subject)
    assert greedy(samples, "base") != greedy(samples, "yuan/1")
    assert "stop" in set(samples.filter(pl.col("subject") == "yuan/1")["finish"]), "it ends with <eod>"


@pytest.mark.parametrize("trained", ["tied"], indirect=True)
def test_a_rendering_that_the_recipe_does_not_ask_for_is_refused_or_warned_of(trained: SimpleNamespace) -> None:
    with pytest.raises(PonensError, match=r"yuan/1 was trained with another rendering(.|\n)*template yuan2"):
        evaluated(trained, "transformers", Wish("own"))
    with pytest.raises(PonensError, match=r"system None against 'Be brief.'"):
        evaluated(trained, "transformers", Wish("yuan2", system="Be brief."))

    facts, samples = evaluated(trained, "transformers", Wish("own"), on_mismatch="warn", limit=3)
    _, own = evaluated(trained, "transformers", Wish("yuan2"), limit=3)
    assert any("is asked as it was trained" in warning for warning in facts["warnings"])
    for subject in ("base", "yuan/1"):
        assert greedy(own, subject) == greedy(samples, subject)


def test_on_the_fly_is_refused_for_it(trained: SimpleNamespace) -> None:
    pytest.importorskip("vllm")
    from tasks.engines.interface import Loading
    from tasks.engines.vllm import VllmEngine

    with pytest.raises(PonensError, match="cannot apply yuan/1 on the fly"):
        VllmEngine(Loading(str(trained.base), {"yuan/1": trained.adapter}, applied="on_the_fly"))
