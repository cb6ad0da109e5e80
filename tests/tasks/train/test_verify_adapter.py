"""The canary on every kind of adapter that training makes, and on each way in which a saved one can be wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storage.records import PonensError
from tasks.train.spec import TrainSpec
from tests.tiny import tiny_base

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]
KINDS: dict[str, dict[str, Any]] = {
    "lora": {},
    "rslora": {"use_rslora": True},
    "dora": {"use_dora": True},
    "head": {"modules_to_save": ["lm_head"]},
    "tokens": {"trainable_token_indices": {"embed_tokens": [1, 2]}},
    "qlora": {},
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("models") / "base", hidden=64, layers=1)


def loader(base: Path, kind: str) -> Callable[[bool], Any]:
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    four_bits = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )  # fmt: skip
    return lambda quantised: AutoModelForCausalLM.from_pretrained(
        base, dtype=torch.float32, **({"quantization_config": four_bits} if quantised else {})
    )


def trained(base: Path, kind: str) -> Any:
    """An adapter of this kind whose every trained number was moved, as a step of training moves it."""
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules="all-linear", **KINDS[kind])
    model = get_peft_model(loader(base, kind)(kind == "qlora"), config)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def check(base: Path, kind: str, folder: Path) -> dict[str, float]:
    from prompts.rendering import Wish
    from tasks.tokenizing import renderer as render
    from tasks.train import verify_adapter

    renderer = render.fit(render.load(str(base), None), Wish())
    tokenizer = renderer.tokenizer
    rows = [
        {"prompt": [{"role": "user", "content": "which way?"}], "completion": [{"role": "assistant", "content": "B"}]}
    ]
    spec = TrainSpec(base_model=str(base))
    probes = verify_adapter.texts(rows, renderer)
    return verify_adapter.save_and_check(trained(base, kind), tokenizer, probes, folder, spec, loader(base, kind))


def after_saving(monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], None]) -> None:
    """Do harm to each folder right after it is saved."""
    from tasks.train import verify_adapter

    save = verify_adapter.save

    def harmful(model: Any, tokenizer: Any, folder: Path, spec: TrainSpec) -> None:
        save(model, tokenizer, folder, spec)
        harm(folder)

    monkeypatch.setattr(verify_adapter, "save", harmful)


def configured(**changes: Any) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        file = folder / "adapter_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return harm


def weighted(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        file = folder / "adapter_model.safetensors"
        save_file(change(load_file(file)), file)

    return harm


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_trained_is_saved_reloads_and_merges(base: Path, tmp_path: Path, kind: str) -> None:
    found = check(base, kind, tmp_path)

    assert found["changes"] > 0.1
    assert found["reload_error"] < (0.05 if kind == "qlora" else 1e-3)
    assert found["merge_error"] < (0.5 * found["changes"] if kind == "qlora" else 1e-3)


@pytest.mark.parametrize(
    ("kind", "harm", "word"),
    [
        ("lora", configured(lora_alpha=32), "after reload"),
        ("rslora", configured(use_rslora=False), "after reload"),
        ("dora", configured(use_dora=False), "after reload"),
        ("head", weighted(lambda t: {k: v for k, v in t.items() if "lm_head" not in k}), "not all that was trained"),
        ("tokens", weighted(lambda t: {k: v for k, v in t.items() if "embed" not in k}), "not all that was trained"),
        ("lora", weighted(lambda t: {k: v * 1.01 for k, v in t.items()}), "after reload"),
        ("lora", weighted(lambda t: {k: v / 0 for k, v in t.items()}), "numbers that are none"),
        ("qlora", configured(lora_alpha=64), "after reload"),
    ],
)
def test_a_folder_that_was_saved_wrong_is_found_out(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, harm: Callable[[Path], None], word: str
) -> None:
    after_saving(monkeypatch, harm)

    with pytest.raises(PonensError, match=word):
        check(base, kind, tmp_path)


def test_an_adapter_that_changes_nothing_is_found_out(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)  # B stays zero

    with pytest.raises(PonensError, match="changes no logit"):
        check(base, "lora", tmp_path)


def test_a_base_that_was_changed_in_training_is_found_out(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from peft import PeftModel

    from tasks.train import verify_adapter

    def unfrozen(model: PeftModel, *args: Any) -> None:
        with torch.no_grad():
            next(p for name, p in model.named_parameters() if "norm" in name).add_(0.5)
        save(model, *args)

    save = verify_adapter.save
    monkeypatch.setattr(verify_adapter, "save", unfrozen)

    with pytest.raises(PonensError, match="after reload"):
        check(base, "lora", tmp_path)


def test_a_merge_that_goes_wrong_is_found_out(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from peft import PeftModel

    monkeypatch.setattr(PeftModel, "merge_and_unload", lambda model: model.base_model.unload(), raising=False)

    with pytest.raises(PonensError, match="after merge"):
        check(base, "lora", tmp_path)
