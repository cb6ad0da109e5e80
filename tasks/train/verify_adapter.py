"""After training: what is saved is what was trained, and it does something. Heavy, child process only."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from storage.adapters.folder import AdapterFolder
from storage.adapters.peft_folder import WEIGHTS
from storage.records import PonensError
from tasks.models import merging
from tasks.tokenizing import encoding
from tasks.tokenizing.masks import Row
from tasks.tokenizing.renderer import Renderer
from tasks.train.spec import TrainSpec

_HERE = {"is_local", "local_files_only", "name_or_path"}  # what a tokenizer notes of where it was loaded from
# largest difference, as a share of the largest logit, between an adapter on a base in 4 bits and that adapter merged
# into the whole base: NF4 keeps 16 levels
_QUANTISED = 0.5


def texts(rows: Sequence[Row], renderer: Renderer) -> list[str]:
    """Whole conversations, as the template renders them."""
    return [renderer.text(renderer.rendering.messages([*row["prompt"], *row["completion"]])) for row in rows]


def check_tokenizer(tokenizer: Any, folder: str | Path, probes: Sequence[str], where: str) -> None:
    """PonensError if the folder's tokenizer.json, as other engines read it, gives other tokens."""
    saved = Path(folder) / "tokenizer.json"
    if folder and saved.exists():
        encoding.check_same_ids(probes, tokenizer, Tokenizer.from_file(str(saved)), where)


def save_and_check(
    model: Any,
    tokenizer: Any,
    probes: Sequence[str],
    folder: Path,
    spec: TrainSpec,
    base: Callable[[bool], Any],
) -> dict[str, float]:
    """Save a PEFT folder and check it as an engine meets it: put on the untouched base, then merged into it.

    `base(quantised)` loads that base anew: as it was trained on, or, where that was quantised, as it is merged
    into, evaluated and served: whole, in main memory, and `_QUANTISED` says how far the two may lie apart.
    PonensError if a tensor that was trained is not in the
    folder, if the adapter changes no logit, or if what is loaded or merged is not what was trained. Returns the
    largest change of a logit against the base and the largest differences after reload and merge. The trained
    model is moved to main memory on the way, so that the accelerator holds one model at a time.
    """
    save(model, tokenizer, folder, spec)
    check_saved(model, folder)
    check_tokenizer(tokenizer, folder, probes, "that was saved with the adapter")
    encoding.check_same_ids(probes, tokenizer, AutoTokenizer.from_pretrained(folder), "that is loaded with the adapter")
    batch = tokenizer(
        list(probes[:4]), add_special_tokens=False, return_tensors="pt", padding=True, truncation=True, max_length=256
    )
    device, quantised = model.device, _quantised(model)
    batch = batch.to(device)
    trained = _logits(model, batch)
    if not quantised:  # 4-bit weights stay where they are
        model.to("cpu")
    loaded = PeftModel.from_pretrained(_at(base(quantised), device), str(folder))
    reloaded = _logits(loaded, batch)
    with loaded.disable_adapter():
        untouched = _logits(loaded, batch)
    found = {"changes": float((trained - untouched).abs().max())}
    if not found["changes"] > 0:
        raise PonensError("the adapter changes no logit: it would score as the base does", seen="change 0.0")
    largest = float(trained.abs().max())
    # 4-bit layers compute in bfloat16, whatever numbers stand around them
    share = merging.rounding(torch.bfloat16 if quantised else loaded.dtype)
    found["reload_error"] = _compare("reload", trained, reloaded, share * largest)
    if quantised:
        loaded = PeftModel.from_pretrained(base(False), str(folder))
        batch, trained, share = batch.to("cpu"), trained.to("cpu"), _QUANTISED
    found["merge_error"] = _compare("merge", trained, _logits(merging.put_together(loaded), batch), share * largest)
    _at(model, device)
    return found


def _at(model: Any, device: Any) -> Any:
    return model if _quantised(model) else model.to(device)


def check_saved(model: Any, folder: Path) -> None:
    """PonensError if the folder's weights are not all the numbers that were trained, each of them finite."""
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    tensors = load_file(folder / WEIGHTS)
    if (saved := sum(t.numel() for t in tensors.values())) < trained:
        raise PonensError(
            "not all that was trained was saved", seen=f"{saved:,} numbers in {WEIGHTS}", expected=f"{trained:,}"
        )
    if odd := next((name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())), None):
        raise PonensError(
            "the adapter holds numbers that are none",
            seen=odd,
            hint="set [train] learning_rate lower, or warmup longer",
        )


def _compare(what: str, trained: torch.Tensor, logits: torch.Tensor, allowed: float) -> float:
    error = float((trained - logits).abs().max())
    if not error <= allowed:
        raise PonensError(
            f"the adapter after {what} is not the trained one",
            seen=f"logits differ by {error:.3g}",
            expected=f"at most {allowed:.3g}",
        )
    return error


def _quantised(model: Any) -> bool:
    return bool(getattr(model, "quantization_method", None))


def save(model: Any, tokenizer: Any, folder: Path, spec: TrainSpec) -> None:
    """Adapter, tokenizer and template, without a trace of this machine, equal bytes for equal training."""
    model.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    saved = AdapterFolder(folder)
    config = {key: sorted(value) if isinstance(value, list) else value for key, value in saved.config.items()}
    # vllm's resolver wants the very string that the server was given as its model
    saved.configure(config | {"base_model_name_or_path": spec.base_model, "revision": spec.revision})
    tokenizer.save_pretrained(folder)
    told = json.loads((folder / "tokenizer_config.json").read_text())
    kept = {key: value for key, value in told.items() if key not in _HERE}
    (folder / "tokenizer_config.json").write_text(json.dumps(kept, indent=2, sort_keys=True, ensure_ascii=False))


def _logits(model: Any, batch: Any) -> torch.Tensor:
    was_training = model.training
    model.eval()
    with torch.no_grad():
        logits: torch.Tensor = model(**batch).logits.float()[batch["attention_mask"].bool()]
    model.train(was_training)
    return logits
