"""vLLM with adapters applied on the fly says what PEFT says, word for word, with the same probabilities."""

import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tasks.engines.interface import Completion, Loading, Request
from tests.tasks.models.test_merging import adapter
from tests.tiny import tiny_base

pytestmark = [pytest.mark.gpu, pytest.mark.heavy, pytest.mark.vllm, pytest.mark.timeout(900)]
PROMPTS = ("Mia is left of Tom. Who", "The robot turns left and", "机器人向左转")
LENGTH = 8
NATS = 0.02  # of a token's mean log-probability, in float32


def by_peft(base: Path, folder: Path | None, prompt: str, device: str) -> tuple[str, float]:
    """The greedy reply of plain transformers and PEFT, unmerged, and the mean log-probability of its tokens."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if folder:
        model = PeftModel.from_pretrained(model, str(folder))
    inputs = tokenizer(prompt, return_tensors="pt", add_special_tokens=False).to(device)
    with torch.inference_mode():
        out = (
            model.eval()
            .to(device)
            .generate(
                **inputs, max_new_tokens=LENGTH, do_sample=False, output_logits=True, return_dict_in_generate=True
            )
        )
    ids = out.sequences[0, inputs["input_ids"].shape[1] :]
    likely = torch.stack(out.logits)[:, 0].float().log_softmax(-1)
    return str(tokenizer.decode(ids, skip_special_tokens=True)), float(likely.gather(1, ids[:, None]).mean())


def test_adapters_in_one_batch_answer_each_as_peft_does(device: str, tmp_path: Path) -> None:
    from tasks.engines.open import open_engine, surroundings

    base = tiny_base(tmp_path / "base")
    kinds: dict[str, dict[str, Any]] = {"low/1": {}, "wide/1": {"r": 16, "target_modules": "all-linear"}}
    folders = {name: adapter(base, tmp_path / name, **settings) for name, settings in kinds.items()}
    loading = Loading(
        str(base), folders, dtype="float32", max_model_len=64, applied="on_the_fly", scratch=tmp_path,
        gpu_memory_utilization=0.3,
    )  # fmt: skip
    asked = [
        Request(f"{subject} {number}", subject, prompt, LENGTH)
        for number, prompt in enumerate(PROMPTS)
        for subject in ("base", *folders)
    ]
    with patch.dict(os.environ):  # what the engine is told by it is not for the tests after this one
        surroundings(loading)
        engine = open_engine("vllm", loading)
        said: dict[str, Completion] = {one.key: one for one in engine.generate(asked)}
        facts = engine.facts
        engine.close()
    right = {r.key: by_peft(base, folders.get(r.subject), r.prompt, device) for r in asked}

    assert (device, "on_the_fly") == (facts["device"], facts["applied"])
    assert {key: text for key, (text, _) in right.items()} == {key: one.text for key, one in said.items()}
    for key, (_, likely) in right.items():
        assert likely == pytest.approx(said[key].logprob, abs=NATS), key
    assert len({text for text, _ in right.values()}) > len(PROMPTS), "the adapters say something of their own"
