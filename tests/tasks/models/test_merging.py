"""Adapters made elsewhere: what is evaluated, exported and served is what PEFT makes of base and adapter, unmerged."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from storage.adapters.folder import AdapterFolder
from storage.adapters.peft_fit import misfit
from storage.adapters.peft_folder import look
from storage.records import PonensError, UsageError
from tasks.engines.interface import Loading
from tests.tiny import tiny_tokenizer

pytestmark = pytest.mark.heavy
SIZES = {
    "vocab_size": 400, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "initializer_range": 0.2, "max_position_embeddings": 64,
}  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "all-linear": {"target_modules": "all-linear"},
    "rslora": {"use_rslora": True},
    "patterns": {"rank_pattern": {"q_proj": 8}, "alpha_pattern": {"v_proj": 3}},
    "one layer": {"layers_to_transform": [1]},
    "expression": {"target_modules": r".*\.1\..*q_proj"},
    "dora": {"use_dora": True},
    "biases": {"bias": "all"},
    "pissa": {"init_lora_weights": "pissa"},
    "olora": {"init_lora_weights": "olora"},
    "head": {"target_modules": ["q_proj", "lm_head"]},
    "embeddings": {"target_modules": ["q_proj", "embed_tokens"]},
    "both ends": {"target_modules": ["q_proj", "embed_tokens", "lm_head"]},
    "both ends tied": {"target_modules": ["q_proj", "embed_tokens"], "ensure_weight_tying": True},
    "dora on embeddings": {"target_modules": ["q_proj", "embed_tokens"], "use_dora": True},
    "a head of its own": {"modules_to_save": ["lm_head"]},
    "embeddings of its own": {"modules_to_save": ["embed_tokens"]},
    "ends of its own, tied": {"modules_to_save": ["embed_tokens", "lm_head"], "ensure_weight_tying": True},
    "tokens": {"trainable_token_indices": [3, 4]},
    "norms": {"modules_to_save": ["norm"]},
}
UNTIED = (
    "head",
    "embeddings",
    "both ends",
    "dora on embeddings",
    "a head of its own",
    "embeddings of its own",
    "both ends tied",
)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A base whose head is its embeddings, one with biases and a head of its own, one with experts."""
    import torch
    from transformers import (
        LlamaConfig,
        LlamaForCausalLM,
        Qwen2Config,
        Qwen2ForCausalLM,
        Qwen3MoeConfig,
        Qwen3MoeForCausalLM,
    )

    torch.set_num_threads(1)
    torch.manual_seed(0)
    experts = {"head_dim": 16, "moe_intermediate_size": 16, "num_experts": 4, "num_experts_per_tok": 2}
    made = {
        "tied": LlamaForCausalLM(LlamaConfig(**SIZES, tie_word_embeddings=True)),
        "untied": Qwen2ForCausalLM(Qwen2Config(**SIZES, tie_word_embeddings=False)),
        "experts": Qwen3MoeForCausalLM(Qwen3MoeConfig(**SIZES, **experts, tie_word_embeddings=False)),
    }
    root = tmp_path_factory.mktemp("bases")
    for name, model in made.items():
        model.save_pretrained(root / name)
        tiny_tokenizer().save_pretrained(root / name)
    return {name: root / name for name in made}


def adapter(base: Path, folder: Path, **settings: Any) -> Path:
    """A PEFT folder whose every number was moved, as after training."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    given = {"r": 4, "lora_alpha": 8, "task_type": "CAUSAL_LM", "target_modules": ["q_proj", "v_proj"]} | settings
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), LoraConfig(**given))
    torch.manual_seed(1)
    for value in model.parameters():
        if value.requires_grad:
            value.data += 0.2 * torch.randn_like(value)
    model.save_pretrained(folder)
    return folder


def logits(model: Any) -> Any:
    import torch

    with torch.inference_mode():
        return model.eval()(input_ids=torch.arange(24)[None]).logits


def unmerged(base: Path, folder: Path) -> Any:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    return logits(PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(folder)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["tied", "untied", "experts"])
def test_an_adapter_is_merged_into_what_peft_makes_of_it(
    bases: dict[str, Path], tmp_path: Path, place: str, kind: str
) -> None:
    from transformers import AutoModelForCausalLM

    from tasks.engines import weights

    base = bases[place]
    folder = adapter(base, tmp_path / "adapter", **KINDS[kind])
    right, plain = unmerged(base, folder), logits(AutoModelForCausalLM.from_pretrained(base))
    loading = Loading(str(base), {"a/1": folder})
    model = weights.load(loading, folder)
    model.save_pretrained(tmp_path / "saved")
    saved = AutoModelForCausalLM.from_pretrained(tmp_path / "saved")

    assert misfit(look(folder), base) is None
    assert float((right - plain).abs().max()) > 0.1
    assert float((right - logits(model)).abs().max()) < 1e-3
    assert float((right - logits(saved)).abs().max()) < 1e-3
    assert (place == "tied" and kind not in UNTIED) == saved.config.tie_word_embeddings
    assert weights.is_tied(loading) is (place == "tied")
    assert not (place == "tied" and kind in UNTIED) or weights.unties(loading, folder)


def test_what_an_adapter_is_cannot_be_half_of_it(bases: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    from tasks.engines import weights

    folder = adapter(bases["tied"], tmp_path / "adapter")
    file = folder / "adapter_model.safetensors"
    whole = load_file(file)
    half = {name: value for name, value in whole.items() if "layers.0" in name}
    more = whole | {
        name.replace("v_proj", "o_proj"): value.clone() for name, value in whole.items() if "v_proj" in name
    }
    for tensors, words in ((half, "has nothing in its file for 4 parts"), (more, "has tensors for 4 parts")):
        save_file(tensors, file)
        with pytest.raises(PonensError, match=words):
            weights.load(Loading(str(bases["tied"])), folder)


def test_a_merge_that_makes_another_model_is_refused(
    bases: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.engines import weights
    from tasks.models import merging

    folder = adapter(bases["tied"], tmp_path / "adapter", target_modules=["q_proj", "lm_head"])
    monkeypatch.setattr(merging, "untie", lambda model: None)

    with pytest.raises(PonensError, match="merged into its base is not what it is beside it"):
        weights.load(Loading(str(bases["tied"])), folder)


@pytest.mark.parametrize(
    ("place", "settings", "words"),
    [
        ("tied", {"lora_bias": True}, "a layer with a bias"),
        ("tied", {"layer_replication": [[0, 2], [1, 2]]}, "layer_replication is applied by nothing"),
        ("tied", {"alora_invocation_tokens": [5, 6]}, "alora_invocation_tokens is applied by nothing"),
    ],
)
def test_what_nobody_can_apply_is_refused_when_it_is_imported(
    bases: dict[str, Path], tmp_path: Path, place: str, settings: dict[str, Any], words: str
) -> None:
    from storage.home import Home
    from tasks.adapters.import_adapter import import_adapter

    folder = adapter(bases[place], tmp_path / "adapter", **settings)
    with pytest.raises(UsageError, match=words):
        import_adapter(str(folder), "a", Home(tmp_path / "home"), base_model=str(bases[place]))


def test_a_bias_of_low_ranks_is_merged_where_the_layers_have_one(bases: dict[str, Path], tmp_path: Path) -> None:
    from tasks.engines import weights

    base = bases["untied"]
    folder = adapter(base, tmp_path / "adapter", lora_bias=True)

    assert misfit(look(folder), base) is None
    assert ["lora_bias"] == AdapterFolder(folder).not_on_the_fly
    merged = logits(weights.load(Loading(str(base)), folder))
    assert float((unmerged(base, folder) - merged).abs().max()) < 1e-3


def test_a_head_apart_is_saved_whatever_the_model(bases: dict[str, Path], tmp_path: Path) -> None:
    from storage.adapters.peft_folder import shapes_of
    from tasks.engines import weights

    base = bases["tied"]
    folder = adapter(base, tmp_path / "adapter")
    place = weights.save_merged(Loading(str(base)), folder, tmp_path / "m", apart=True)

    assert (400, 32) == shapes_of(place / "model.safetensors")["lm_head.weight"]
    assert float((unmerged(base, folder) - logits(weights.load(Loading(str(place)), None))).abs().max()) < 1e-3


@pytest.mark.vllm
def test_vllm_s_subjects_leave_nothing_behind_for_those_after_them(tmp_path: Path) -> None:
    from tasks.engines.interface import Request
    from tasks.engines.open import open_engine, surroundings
    from tests.tiny import tiny_base

    base = tiny_base(tmp_path / "base")
    kinds: dict[str, dict[str, Any]] = {"head/1": KINDS["a head of its own"], "low/1": KINDS["head"], "plain/1": {}}
    folders = {name: adapter(base, tmp_path / name, **settings) for name, settings in kinds.items()}
    loading = Loading(str(base), folders, scratch=tmp_path, max_model_len=64)
    said: dict[str, list[str]] = {}
    with patch.dict(os.environ):  # what the engines are told by it is not for the tests after this one
        surroundings(loading)
        for name in ("transformers", "vllm"):
            engine = open_engine(name, loading)
            for subject in ("base", *folders, "base"):
                asked = Request("k", subject, "Mia is left of Tom. Who", 8)
                said.setdefault(name, []).extend(reply.text for reply in engine.generate([asked]))
            engine.close()

    assert said["transformers"] == said["vllm"]
    assert 4 == len({*said["vllm"]})
