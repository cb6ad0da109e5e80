"""The base model as it is trained: safetensors only, never code from the model's folder. Heavy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig
from transformers.utils import is_flash_attn_2_available

from storage.records import PonensError
from tasks.train.spec import TrainSpec

FLASH = "flash_attention_2"


def load(place: str, spec: TrainSpec) -> Any:
    """The base model. PonensError if it is gone or damaged."""
    where: dict[str, Any] = {"trust_remote_code": False}
    if Path(place).is_dir():
        where["local_files_only"] = True
    elif spec.revision:
        where["revision"] = spec.revision
    try:
        return AutoModelForCausalLM.from_pretrained(place, use_safetensors=True, **_as(spec), **where)
    except (OSError, ValueError) as error:
        raise PonensError(
            f"base model {spec.base_model} cannot be loaded",
            seen=str(error).strip().splitlines()[0],
            expected=f"config.json, tokenizer and safetensors of one causal language model in {place}",
            hint="bring it back and run the same command: checkpoints are kept, and training goes on from them",
        ) from error


def number(spec: TrainSpec) -> torch.dtype:
    """Numbers of the weights. All-weights training keeps float32 ones, for updates that bfloat16 would round away."""
    if spec.dtype != "auto":
        return torch.bfloat16 if spec.dtype == "bfloat16" else torch.float32
    return torch.bfloat16 if has_bfloat16() and spec.method != "full" else torch.float32


def has_bfloat16() -> bool:
    """Whether this machine has a GPU that computes in bfloat16."""
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported()


def attention(spec: TrainSpec) -> str | None:
    """The attention to load the model with; None leaves it to the model."""
    if spec.attn_implementation != "auto":
        return str(spec.attn_implementation)
    halves = number(spec) == torch.bfloat16 and torch.cuda.is_available()
    return FLASH if halves and is_flash_attn_2_available() else None


def _as(spec: TrainSpec) -> dict[str, Any]:
    settings: dict[str, Any] = {"dtype": number(spec)}
    if chosen := attention(spec):
        settings["attn_implementation"] = chosen
    if spec.method == "qlora":
        settings["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=number(spec),
        )
        if torch.cuda.is_available():
            settings["device_map"] = {"": int(os.environ.get("LOCAL_RANK", 0))}
    return settings
