"""Base models and adapters as transformers and peft read them; what both engines share. Child process only."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import orjson

from storage.records import PonensError
from tasks.engines.base import Loading


def tokenizer(loading: Loading) -> Any:
    """The base model's tokenizer."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(loading.model, revision=loading.revision)


def stop_tokens(loading: Loading) -> set[int]:
    """Every token that ends a reply by the model's own configuration."""
    from transformers import AutoConfig, GenerationConfig

    found: set[int] = set()
    try:
        settings = [GenerationConfig.from_pretrained(loading.model, revision=loading.revision)]
    except OSError:
        settings = []
    settings.append(AutoConfig.from_pretrained(loading.model, revision=loading.revision))
    for one in settings:
        ids = getattr(one, "eos_token_id", None)
        found |= set(ids) if isinstance(ids, list) else {ids} if isinstance(ids, int) else set()
    return found


def context(loading: Loading) -> int:
    """Tokens that fit: the setting, or what the model was made for."""
    from transformers import AutoConfig

    made_for = int(
        getattr(AutoConfig.from_pretrained(loading.model, revision=loading.revision), "max_position_embeddings", 4096)
    )
    return min(loading.max_model_len or made_for, made_for)


def dtype(loading: Loading) -> str:
    """The setting, or the numbers the weights are kept in: left to itself, vLLM would halve float32."""
    from transformers import AutoConfig

    if loading.dtype != "auto":
        return loading.dtype
    kept = getattr(AutoConfig.from_pretrained(loading.model, revision=loading.revision), "dtype", None)
    return str(kept).removeprefix("torch.") if kept else "auto"


def whole(adapter: Path) -> bool:
    """Whether this "adapter" is a model of its own: all weights were trained."""
    return not (adapter / "adapter_config.json").exists() and (adapter / "config.json").exists()


def must_merge(adapter: Path) -> bool:
    """Whether vLLM cannot apply it on the fly: a model of its own, DoRA, or modules trained whole."""
    if whole(adapter):
        return True
    config = orjson.loads((adapter / "adapter_config.json").read_bytes())
    return bool(config.get("use_dora") or config.get("modules_to_save"))


def load(loading: Loading, adapter: Path | None, device: str = "cpu") -> Any:
    """The base model, with the adapter's weights added to its own if there is one. PonensError if they do nothing."""
    from transformers import AutoModelForCausalLM

    if adapter and whole(adapter):
        return AutoModelForCausalLM.from_pretrained(adapter, dtype=dtype(loading)).to(device).eval()
    model = AutoModelForCausalLM.from_pretrained(loading.model, revision=loading.revision, dtype=dtype(loading)).to(
        device
    )
    if adapter:
        from peft import PeftModel

        wrapped = PeftModel.from_pretrained(model, str(adapter))
        check_alive(wrapped, adapter)
        model = wrapped.merge_and_unload()
    return model.eval()


def save_merged(loading: Loading, adapter: Path, folder: Path) -> Path:
    """A folder of base weights with the adapter's added; kept if it is there. The caller removes it.

    A model of its own is that folder already.
    """
    if whole(adapter):
        return adapter
    if not folder.exists():
        aside = folder.with_suffix(".part")
        shutil.rmtree(aside, ignore_errors=True)
        load(loading, adapter).save_pretrained(aside)
        aside.rename(folder)
    return folder


def check_alive(model: Any, adapter: Path) -> None:
    """PonensError if every B matrix is zero: such an adapter changes nothing, and would score as the base."""
    matrices = [value for name, value in model.named_parameters() if "lora_B" in name]
    if matrices and not any(bool(value.any()) for value in matrices):
        raise PonensError(f"adapter {adapter.name} changes nothing", seen="all its B matrices are zero")


def rank(adapter: Path) -> int:
    """The adapter's largest rank."""
    config = orjson.loads((adapter / "adapter_config.json").read_bytes())
    return max([int(config["r"]), *map(int, (config.get("rank_pattern") or {}).values())])
