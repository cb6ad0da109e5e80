"""Base models and adapters as transformers and peft read them; what both engines share. Child process only."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import orjson

from storage.records import PonensError
from tasks.engines.base import Loading, Reader
from tasks.training import render, vocabulary


def tokenizer(loading: Loading, subject: str = "base") -> Any:
    """The tokenizer that was saved with an adapter, if one was; else the base model's."""
    folder = loading.adapters.get(subject)
    if folder is not None and (folder / "tokenizer.json").is_file():
        return render.load(str(folder), None)
    return render.load(loading.model, loading.revision)


def readers(loading: Loading, context: int) -> dict[str, Reader]:
    """A reader for each subject: its own tokens, and its own end of a reply beside the base model's."""
    stops = stop_tokens(loading)
    return {name: Reader(tokenizer(loading, name), context, stops) for name in ("base", *loading.adapters)}


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


def vocabulary_rows(loading: Loading, subject: str = "base") -> int:
    """Tokens that the embeddings have a row for, of the base or of a model of its own."""
    folder = loading.adapters.get(subject)
    return _rows(folder) if folder is not None and whole(folder) else _rows(loading.model, loading.revision)


def _rows(place: str | Path, revision: str | None = None) -> int:
    from transformers import AutoConfig

    return int(AutoConfig.from_pretrained(str(place), revision=revision).get_text_config().vocab_size)


def whole(adapter: Path) -> bool:
    """Whether this "adapter" is a model of its own: all weights were trained."""
    return not (adapter / "adapter_config.json").exists() and (adapter / "config.json").exists()


def must_merge(adapter: Path) -> bool:
    """Whether vLLM cannot apply it on the fly: a model of its own, DoRA, modules trained whole, tokens of its own."""
    if whole(adapter):
        return True
    config = orjson.loads((adapter / "adapter_config.json").read_bytes())
    return any(config.get(name) for name in ("use_dora", "modules_to_save", "trainable_token_indices"))


def load(loading: Loading, adapter: Path | None, device: str = "cpu", rows: int = 0) -> Any:
    """The base model, with the adapter's weights added to its own if there is one. PonensError if they do nothing.

    Its embeddings have room for the adapter's own tokens, and at least `rows` rows.
    """
    from transformers import AutoModelForCausalLM

    if adapter and whole(adapter):
        model = AutoModelForCausalLM.from_pretrained(adapter, dtype=dtype(loading)).to(device)
        vocabulary.grow(model, rows)
        return model.eval()
    model = AutoModelForCausalLM.from_pretrained(loading.model, revision=loading.revision, dtype=dtype(loading)).to(
        device
    )
    vocabulary.grow(model, max(rows, vocabulary.rows_needed(adapter) if adapter else 0))
    if adapter:
        from peft import PeftModel

        wrapped = PeftModel.from_pretrained(model, str(adapter))
        check_alive(wrapped, adapter)
        model = wrapped.merge_and_unload()
    return model.eval()


def save_merged(loading: Loading, adapter: Path | None, folder: Path, rows: int = 0) -> Path:
    """A folder of base weights with the adapter's added, so many rows; kept if it is there. The caller removes it.

    A model of its own with rows enough is that folder already.
    """
    if adapter and whole(adapter) and rows <= _rows(adapter):
        return adapter
    if not folder.exists():
        aside = folder.with_suffix(".part")
        shutil.rmtree(aside, ignore_errors=True)
        load(loading, adapter, rows=rows).save_pretrained(aside)
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
