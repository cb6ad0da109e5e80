"""All weights trained: a model folder saved, loaded again and compared. And what several processes share, gathered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from storage.records import PonensError
from tasks.train import loading, verify_adapter
from tasks.train.order import TrainOrder

_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}  # as a share of the largest logit


def logits(model: Any, tokenizer: Any, probes: Sequence[str]) -> torch.Tensor:
    """Logits of a few probes, on the CPU: [tokens, vocabulary]."""
    batch = tokenizer(
        list(probes[:4]), add_special_tokens=False, return_tensors="pt", padding=True, truncation=True, max_length=256
    ).to(model.device)
    was_training = model.training
    model.eval()
    with torch.no_grad():
        found: torch.Tensor = model(**batch).logits.float()[batch["attention_mask"].bool()].cpu()
    model.train(was_training)
    return found


def save_and_check(
    model: Any, tokenizer: Any, probes: Sequence[str], folder: Path, base: str, before: torch.Tensor
) -> dict[str, float]:
    """Save a model folder in the base's numbers, load it again. PonensError if it changed nothing or was saved wrong.

    `before` are the base's logits of the same probes. Returns the largest change, and the difference after reload.
    """
    trained = logits(model, tokenizer, probes)
    change = float((trained - before).abs().max())
    if not change > 0:
        raise PonensError("training changed no logit: it would score as the base does", seen=f"change {change}")
    numbers = AutoConfig.from_pretrained(base or model.config._name_or_path).dtype or model.dtype
    model.to(numbers).save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    verify_adapter.check_tokenizer(tokenizer, folder, probes, "that was saved with the model")
    saved = AutoModelForCausalLM.from_pretrained(folder, dtype=numbers, use_safetensors=True).to(model.device)
    error = float((trained - logits(saved, tokenizer, probes)).abs().max())
    allowed = _TOLERANCE.get(numbers, 2e-2) * float(trained.abs().max())
    if not error <= allowed:
        raise PonensError(
            "the saved model is not the trained one",
            seen=f"logits differ by {error:.3g}",
            expected=f"at most {allowed:.3g}",
        )
    return {"changes": change, "reload_error": error}


def gathered(folder: Path, order: TrainOrder) -> Any:
    """What several processes trained, in one: the whole model, or the base with the adapter on it."""
    spec = order.spec
    if spec.method == "full":
        return AutoModelForCausalLM.from_pretrained(folder, dtype=loading.number(spec), use_safetensors=True)
    from peft import PeftModel

    base = loading.load(order.base, spec)
    return PeftModel.from_pretrained(base, str(folder))
