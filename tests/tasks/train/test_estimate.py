"""What a training takes, told from headers alone, held against what autograd and the optimizer really keep."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from storage.records import PonensError
from tasks.train import estimate
from tasks.train.estimate import Pass, memory, read, speed, steps
from tasks.train.presets import PRESETS
from tasks.train.spec import TrainSpec

QWEN_7B = {
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
}
LAYER_7B = {
    "self_attn.q_proj.weight": [3584, 3584],
    "self_attn.k_proj.weight": [512, 3584],
    "self_attn.v_proj.weight": [512, 3584],
    "self_attn.o_proj.weight": [3584, 3584],
    "mlp.gate_proj.weight": [18944, 3584],
    "mlp.up_proj.weight": [18944, 3584],
    "mlp.down_proj.weight": [3584, 18944],
    "input_layernorm.weight": [3584],
    "post_attention_layernorm.weight": [3584],
}


def values(**settings: Any) -> TrainSpec:
    return TrainSpec.model_validate({"base_model": "x", **settings})


@pytest.fixture
def seven(tmp_path: Path) -> estimate.Shape:
    """Qwen2.5-7B as its files' headers tell it, without the weights."""
    weights = {f"model.layers.{n}.{name}": dims for n in range(28) for name, dims in LAYER_7B.items()}
    weights |= {"model.embed_tokens.weight": [152064, 3584], "lm_head.weight": [152064, 3584]}
    header = json.dumps(
        {name: {"dtype": "BF16", "shape": dims, "data_offsets": [0, 0]} for name, dims in weights.items()}
    )
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header.encode())
    (tmp_path / "config.json").write_text(json.dumps(QWEN_7B))
    return read(tmp_path)


def test_a_model_is_known_by_its_headers(seven: estimate.Shape) -> None:
    assert 7_615_000_000 < seven.parameters < 7_616_000_000
    assert len(seven.linear) == 7 * 28
    assert estimate.adapter(seven, values(rank=16)) == 40_370_176, "what PEFT counts for all linear layers"


def test_experts_that_are_loaded_as_one_matrix_are_counted_as_peft_does() -> None:
    attention = {f"self_attn.{part}_proj": [32, 32] for part in "qkvo"}
    experts = {
        f"mlp.experts.{e}.{part}_proj": [32, 16] if part == "down" else [16, 32]
        for e in range(4)
        for part in ("gate", "up", "down")
    }
    names = {**attention, **experts, "mlp.gate": [4, 32], "input_layernorm": [32]}
    config = {
        "hidden_size": 32,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "vocab_size": 9,
    }
    shape = estimate.shape(config, [(f"model.layers.{n}.{k}.weight", d) for n in range(2) for k, d in names.items()])

    assert 7968 == estimate.adapter(shape, values(rank=4)), "the numbers in a file of PEFT 0.21 over Qwen3-MoE"


def test_all_weights_take_sixteen_bytes_a_parameter(seven: estimate.Shape) -> None:
    told = memory(seven, values(method="full"), Pass(1, 1, cuda=False), checkpointing=True)

    assert told["weights"] + told["gradients"] + told["optimizer"] == 16 * seven.parameters


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_fits_the_memory_in_its_name(seven: estimate.Shape, name: str) -> None:
    spec = values(preset=name)
    largest = steps([spec.max_length] * 16, spec)["cells"]
    checked = spec.gradient_checkpointing
    room = int(name.removesuffix("gb")) * 10**9
    if checked is None:
        checked = estimate.needs_checkpointing(seven, spec, Pass(largest, largest // 2, cuda=True), room)
    told = memory(seven, spec, Pass(largest, largest // 2, cuda=True), checkpointing=checked)

    assert told["total"] < 0.95 * room, {part: round(size / 2**30, 2) for part, size in told.items()}


def test_shards_and_offloading_take_their_part_away(seven: estimate.Shape) -> None:
    def total(**settings: Any) -> int:
        return memory(seven, values(method="full", processes=8, **settings), Pass(1, 1, cuda=True), checkpointing=True)[
            "total"
        ]

    assert total() > total(strategy="zero2") > total(strategy="zero3") > total(strategy="zero3", offload=True)
    assert total(strategy="fsdp2") == total(strategy="zero3")


def test_steps_are_counted_as_the_trainer_counts_them() -> None:
    told = steps([10] * 100, values(batch_size=4, gradient_accumulation=4, epochs=3, max_length=2048))

    assert (told["steps"], told["rows_a_step"], told["passes_a_step"], told["cells"]) == (21, 16, 1, 160)
    assert steps([10] * 100, values(packing=False))["passes_a_step"] == 4
    assert steps([10] * 100, values(max_steps=5))["steps"] == 5


def test_a_cpu_takes_the_rows_of_a_step_in_small_passes_and_a_gpu_or_a_tiny_model_does_not() -> None:
    one = values(batch_size=8, gradient_accumulation=1, max_length=384, epochs=1)
    whole, parts = steps([210] * 80, one), steps([210] * 80, one, estimate.at_once(135_000_000, cuda=False))

    assert (10, 8, 1, 1680) == tuple(whole[name] for name in ("steps", "rows_a_step", "passes_a_step", "cells"))
    assert (10, 8, 4, 420) == tuple(parts[name] for name in ("steps", "rows_a_step", "passes_a_step", "cells"))
    assert [None, None] == [estimate.at_once(7_000_000_000, cuda=True), estimate.at_once(400_000, cuda=False)]


def test_time_is_what_was_measured_on_this_machine_or_unknown() -> None:
    def about(**facts: Any) -> dict[str, Any]:
        return {
            "adapter": "a/1",
            "base_identity": "b",
            "settings": {"method": "lora", "max_length": 2048, "processes": 1},
            "facts": {"machine": estimate.machine(), "tokens_per_second": 50, **facts},
        }

    assert speed([about(), about(tokens_per_second=70)], "b", values()) == (70.0, "a/1")
    assert speed([about(machine="another")], "b", values()) is None
    assert speed([about()], "other", values()) is None
    assert speed([about()], "b", values(method="full")) is None
    assert speed([], "b", values()) is None


def test_a_family_without_the_usual_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "gpt2", "n_embd": 8}')

    with pytest.raises(PonensError, match="cannot be estimated"):
        read(tmp_path)


@pytest.mark.heavy
@pytest.mark.parametrize(
    "settings",
    [{}, {"dropout": 0.1}, {"use_dora": True}, {"method": "full"}, {"dtype": "bfloat16"}],
    ids=lambda s: "-".join(map(str, s.values())) or "lora",
)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_activations_are_what_autograd_keeps(settings: dict[str, Any], checkpointing: bool) -> None:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from tasks.train.settings import lora

    widths = {"hidden_size": 192, "intermediate_size": 512, "num_attention_heads": 6, "num_key_value_heads": 2}
    torch.manual_seed(0)
    spec = values(rank=8, alpha=16, **settings)
    half = spec.dtype == "bfloat16"
    model = Qwen2ForCausalLM(Qwen2Config(vocab_size=256, num_hidden_layers=4, tie_word_embeddings=True, **widths))
    model = model.to(torch.bfloat16 if half else torch.float32)
    shape = estimate.shape(model.config.to_dict(), ((n, tuple(p.shape)) for n, p in model.named_parameters()))
    if chosen := lora(spec):
        from peft import get_peft_model

        model = get_peft_model(model, chosen)
    if checkpointing:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    model.train()
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, Any] = {}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t),
        torch.autocast("cpu", torch.bfloat16, enabled=half),
    ):
        model.base_model(input_ids=torch.randint(256, (4, 128)), use_cache=False)
    held = sum(size for size, _ in kept.values())
    told = memory(shape, spec, Pass(4 * 128, 0, cuda=False), checkpointing=checkpointing)["activations"]
    if checkpointing:  # and of one layer, while it is computed again
        told -= memory(shape, spec, Pass(4 * 128, 0, cuda=False), checkpointing=False)["activations"] // shape.layers

    assert told == pytest.approx(held, rel=0.25)
