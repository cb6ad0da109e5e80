"""Each method trains the tiny model, saves what it trained, and what it saved can be evaluated."""

import json
from pathlib import Path
from typing import Any

import pytest

from storage.adapters.folder import AdapterFolder
from storage.records import PonensError
from tasks.train.order import TrainOrder
from tests.tasks.trainings import facts, losses, order
from tests.tiny import tiny_base

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(3000)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("models") / "base", hidden=64, layers=1)


def train(order: TrainOrder) -> dict[str, Any]:
    from tasks.train import sft

    sft.train(order)
    return facts(order)


def adapter_config(order: TrainOrder) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((order.folder / "adapter_config.json").read_text())
    return found


@pytest.mark.parametrize(
    "settings",
    [
        {"use_rslora": True},
        {"use_dora": True},
        {"modules_to_save": ["lm_head"]},
        {"neftune_alpha": 5.0},
        {"method": "qlora"},
    ],
    ids=lambda s: next(iter(map(str, s))),
)
def test_an_adapter_of_this_kind_learns_and_says_what_it_is(
    settings: dict[str, Any], base: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = order(base, tmp_path, epochs=6, **settings)
    found = train(given)
    config = adapter_config(given)

    assert found["loss_last"] < 0.85 * found["loss_first"]
    assert config["use_rslora"] == settings.get("use_rslora", False)
    assert config["use_dora"] == settings.get("use_dora", False)
    # of a tied pair PEFT names the embeddings, whichever of the two was asked for
    assert bool(config["modules_to_save"]) == bool(settings.get("modules_to_save"))
    if settings.get("method") == "qlora":
        assert "optimizer adamw_torch_fused: nothing here pages or takes 8 bits" in capfd.readouterr().out


def test_a_base_in_four_bits_is_really_in_four_bits(base: Path, tmp_path: Path) -> None:
    import torch

    from tasks.train import loading

    model = loading.load(str(base), order(base, tmp_path, method="qlora").spec)
    weight = model.model.layers[0].mlp.up_proj.weight

    assert (weight.dtype, weight.quant_state.quant_type, weight.quant_state.nested) == (torch.uint8, "nf4", True)


def test_noise_on_the_embeddings_changes_the_training_and_not_the_validation(base: Path, tmp_path: Path) -> None:
    plain, noisy = (
        order(base, tmp_path / "a", max_steps=2),
        order(base, tmp_path / "b", max_steps=2, neftune_alpha=50.0),
    )
    train(plain)
    train(noisy)

    assert losses(plain)[0] != pytest.approx(losses(noisy)[0], rel=1e-3)


def test_all_weights_leave_a_model_that_evaluation_loads_in_place_of_the_base(base: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from tasks.engines import weights
    from tasks.engines.interface import Loading

    given = order(base, tmp_path, method="full", learning_rate=5e-3, epochs=6)
    found = train(given)
    folder = given.folder
    subject = weights.load(Loading(model=str(base), adapters={"demo/1": folder}, scratch=tmp_path), folder)
    before = AutoModelForCausalLM.from_pretrained(base)
    ids = torch.arange(20)[None]

    assert found["loss_last"] < 0.8 * found["loss_first"]
    assert found["trainable"] == found["parameters"]
    assert found["canary"]["changes"] > 0.1
    assert not (folder / "adapter_config.json").exists()
    assert not torch.equal(subject(ids).logits, before(ids).logits)
    assert (
        weights.save_merged(Loading(model=str(base), adapters={}, scratch=tmp_path), folder, tmp_path / "m") == folder
    )
    assert AdapterFolder(folder).not_on_the_fly


def test_the_weights_of_the_lowest_validation_loss_are_kept(base: Path, tmp_path: Path) -> None:
    given = order(base, tmp_path, epochs=6, learning_rate=0.6, scheduler="constant", eval_steps=2, keep_best=True)
    found = train(given)
    seen = {entry["step"]: entry["loss"] for entry in found["valid_losses"][:-1]}

    assert found["best_step"] == min(seen, key=lambda step: seen[step])
    assert found["best_step"] < found["steps"], "at this rate the last is not the best"
    assert found["valid_loss"] == pytest.approx(min(seen.values()), rel=1e-5), "what is saved is the best"


def test_it_stops_when_the_validation_loss_no_longer_falls(base: Path, tmp_path: Path) -> None:
    given = order(base, tmp_path, epochs=30, learning_rate=0.3, scheduler="constant", eval_steps=1, patience=3)

    assert train(given)["steps"] < 30 * 4


def test_validation_without_rows_is_refused(base: Path, tmp_path: Path) -> None:
    given = order(base, tmp_path, eval_steps=2)
    given.valid.unlink()

    with pytest.raises(PonensError, match="no row to validate on"):
        train(given)


def test_packed_rows_give_the_losses_of_padded_ones_in_fewer_cells(base: Path, tmp_path: Path) -> None:
    import torch

    from prompts.rendering import Wish
    from storage.tables.examples import read
    from tasks.tokenizing import encoding
    from tasks.tokenizing import renderer as render
    from tasks.tokenizing.masks import Teaching
    from tasks.train import loading, sft

    def batches(packing: bool) -> tuple[list[Any], list[float]]:
        given = order(base, tmp_path / str(packing), packing=packing, batch_size=8)
        renderer, model = render.fit(render.load(str(base), None), Wish()), loading.load(str(base), given.spec)
        encoded = encoding.encode(read(given.train), renderer, 128, Teaching())
        trainer = sft.make(given.spec, tmp_path, renderer.tokenizer, model, encoded, encoded, [])
        found = list(trainer.get_train_dataloader())
        counted = torch.tensor(100)
        with torch.no_grad():
            return found, [
                float(trainer.compute_loss(trainer.model, dict(b), num_items_in_batch=counted)) for b in found
            ]

    (packed, ours), (padded, theirs) = batches(True), batches(False)

    assert ours == pytest.approx(theirs, rel=1e-5)
    assert sum(b["input_ids"].numel() for b in packed) < 0.9 * sum(b["input_ids"].numel() for b in padded)
    assert sum(int((b["labels"] != -100).sum()) for b in packed) == sum(
        int((b["labels"] != -100).sum()) for b in padded
    )


def test_two_rows_on_a_line_have_the_logits_of_the_rows_alone_where_the_model_keeps_them_apart(base: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from tasks.train import trainer as loop
    from tasks.train.packing import lay

    def model(attention: str) -> Any:
        return AutoModelForCausalLM.from_pretrained(base, attn_implementation=attention)

    rows = [
        {"input_ids": list(range(a, a + n)), "labels": list(range(a, a + n))} for a, n in ((3, 5), (40, 9), (60, 4))
    ]
    laid = lay(rows, 0, 1000.0)
    assert [len(line) for line in laid.ids] == [9, 9]
    for attention in ("sdpa", "eager"):
        one = model(attention)
        with torch.no_grad():
            both = one(
                input_ids=torch.tensor(laid.ids), position_ids=torch.tensor(laid.positions), use_cache=False
            ).logits[1]
            alone = [one(input_ids=torch.tensor([rows[n]["input_ids"]])).logits[0] for n in (0, 2)]

        torch.testing.assert_close(both, torch.cat(alone), atol=1e-5, rtol=1e-5)
        assert loop.keeps_apart(one)


def test_a_model_whose_rows_see_each_other_is_not_packed(base: Path) -> None:
    from transformers import AutoModelForCausalLM

    from tasks.train import trainer as loop

    leaky = AutoModelForCausalLM.from_pretrained(base)
    plain = leaky.forward
    leaky.forward = lambda position_ids=None, **inputs: plain(**inputs)  # as a layer that heeds no positions would

    assert not loop.keeps_apart(leaky)


def test_a_folded_step_has_the_losses_of_the_unfolded_one(base: Path, tmp_path: Path) -> None:
    folded = order(base, tmp_path / "a", batch_size=2, gradient_accumulation=4, epochs=2, max_length=128)
    plain = order(base, tmp_path / "b", batch_size=2, gradient_accumulation=4, epochs=2, max_length=128, packing=False)
    train(folded)
    train(plain)

    assert losses(folded) == pytest.approx(losses(plain), rel=1e-4)
    assert facts(folded)["steps"] == facts(plain)["steps"] == 8
