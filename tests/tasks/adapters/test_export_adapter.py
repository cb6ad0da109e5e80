"""Exports that other tools really load: plain peft, transformers on a merged model, vLLM."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from storage.adapters import versions as adapters
from storage.adapters.versions import Adapter
from storage.artifacts import publish, write_json
from storage.home import Home
from storage.records import PonensError
from tasks.adapters.export_adapter import export_adapter, plain
from tasks.models import base_models
from tasks.models.quiet import quiet
from tests.adapters import made
from tests.tiny import tiny_base

# LoraConfig of peft 0.7, the oldest whose adapters carry use_rslora
PEFT_07 = {
    "peft_type", "auto_mapping", "base_model_name_or_path", "revision", "task_type", "inference_mode", "r",
    "target_modules", "lora_alpha", "lora_dropout", "fan_in_fan_out", "bias", "modules_to_save", "init_lora_weights",
    "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern", "megatron_config", "megatron_core",
    "loftq_config", "use_rslora",
}  # fmt: skip


def test_a_setting_that_is_not_set_is_left_out_for_older_readers() -> None:
    given = {"r": 8, "use_dora": False, "use_rslora": True, "modules_to_save": None, "peft_version": "0.21.2"}

    assert {"r": 8, "use_rslora": True, "modules_to_save": None} == plain(given)
    assert {"r": 8, "use_dora": True} == plain({"r": 8, "use_dora": True}), (
        "what changes the result stays, known or not"
    )


def test_a_base_that_is_not_the_one_trained_on_is_not_merged_into(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    one = made(home, base_model="me/base", base_identity="f" * 64)

    with pytest.raises(PonensError, match="not the one it was trained on"):
        export_adapter(one, tmp_path / "out", form="merged")
    assert [] == [path.name for path in tmp_path.iterdir() if "out" in path.name], "nothing half made is left"


@pytest.mark.heavy
def test_libraries_are_quiet_while_a_model_is_loaded_and_then_as_before(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.utils import logging as words

    logger = logging.getLogger("bitsandbytes")
    monkeypatch.setattr(logger, "disabled", False)  # vLLM and Prefect configure the logging of their whole process
    monkeypatch.setattr(logger, "propagate", True)
    caplog.set_level(logging.WARNING, logger.name)
    with quiet():
        logger.warning("no kernels")
        assert not words.is_progress_bar_enabled()
    logger.warning("as before")

    assert ["as before"] == caplog.messages
    assert words.is_progress_bar_enabled()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A random base, and a random adapter of it in a home."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    root = tmp_path_factory.mktemp("tiny")
    base, home, work = tiny_base(root / "base"), Home(root / "home"), root / "work"
    torch.manual_seed(7)
    config = LoraConfig(r=8, lora_alpha=64, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(work)
    AutoTokenizer.from_pretrained(base).save_pretrained(work)
    about = {"base_model": str(base), "revision": None, "base_identity": base_models.identity(str(base)), "facts": {}}
    write_json(work / "adapter.json", about)
    (work / "README.md").unlink()
    publish(work, "adapters/logic", home, numbered=True)
    return SimpleNamespace(base=base, adapter=adapters.resolve(home, "logic/1"))


def logits(model: Any, tokenizer: Any) -> Any:
    import torch

    with torch.inference_mode():
        return model.eval()(**tokenizer("Which way does the robot look?", return_tensors="pt")).logits


def in_memory(base: Path, adapter: Adapter) -> Any:
    """Base and adapter side by side, nothing exported."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    return PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter.folder)


@pytest.mark.heavy
def test_plain_peft_loads_an_export_by_the_base_that_it_names(tiny: SimpleNamespace, tmp_path: Path) -> None:
    import torch
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoTokenizer

    export_adapter(tiny.adapter, tmp_path / "out")
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    loaded = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "out")

    assert config.keys() <= PEFT_07
    assert torch.equal(logits(in_memory(tiny.base, tiny.adapter), tokenizer), logits(loaded, tokenizer))
    assert tokenizer.chat_template


@pytest.mark.heavy
def test_a_merged_model_says_what_base_and_adapter_say(
    tiny: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    capsys.readouterr()
    export_adapter(tiny.adapter, tmp_path / "out", form="merged")
    assert ("", "") == capsys.readouterr(), "neither bars nor advice of a library"
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out", use_safetensors=True)
    plain = AutoModelForCausalLM.from_pretrained(tiny.base)
    expected, found = logits(in_memory(tiny.base, tiny.adapter), tokenizer), logits(merged, tokenizer)

    assert torch.allclose(expected, found, atol=1e-4 * float(expected.abs().max()))
    assert not torch.allclose(logits(plain, tokenizer), found, atol=1e-2)
    assert tokenizer.chat_template == AutoTokenizer.from_pretrained(tiny.base).chat_template


@pytest.mark.heavy
@pytest.mark.vllm
@pytest.mark.timeout(900)
def test_vllm_applies_an_export_as_peft_does(tiny: SimpleNamespace, tmp_path: Path) -> None:
    pytest.importorskip("vllm")
    from tasks.engines.interface import Loading, Request
    from tasks.engines.open import open_engine, surroundings

    out = tmp_path / "out"
    export_adapter(tiny.adapter, out)
    said = {}
    for name in ("transformers", "vllm"):
        loading = Loading(
            str(tiny.base), {"logic/1": out}, dtype="float32", max_model_len=128, gpu_memory_utilization=0.1,
            applied="on_the_fly", scratch=tmp_path,
        )  # fmt: skip
        surroundings(loading)
        engine = open_engine(name, loading)
        asked = [Request(s, s, "<|im_start|>user\nWhich way?<|im_end|>\n", 12) for s in ("base", "logic/1")]
        said[name] = {completion.key: completion.text for completion in engine.generate(asked)}
        engine.close()

    # asked in one batch: a row without an adapter must not get its neighbour's
    assert said["transformers"] == said["vllm"]
    assert said["vllm"]["base"] != said["vllm"]["logic/1"]


@pytest.mark.heavy
def test_a_gguf_export_answers_as_the_merged_model_and_brings_a_modelfile(
    tiny: SimpleNamespace, tmp_path: Path
) -> None:
    made = export_adapter(tiny.adapter, tmp_path / "out", form="gguf", quantization="f32")
    lora = export_adapter(tiny.adapter, tmp_path / "lora", form="gguf-lora")

    assert ["Modelfile", "logic-1.f32.gguf"] == made["files"]
    assert {"prompts": 8, "same_first": 8, "apart": 0.0, "tokens": True} == made["agreement"]
    assert "FROM ./logic-1.f32.gguf" in (tmp_path / "out" / "Modelfile").read_text()
    assert ["logic-1.lora.gguf"] == lora["files"]
