"""After training: what is saved is what was trained, and it does something. Heavy, child process only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from storage.artifacts import write_json
from storage.records import PonensError
from tasks.training import tokens
from tasks.training.masks import Row
from tasks.training.render import Renderer

_HERE = {"is_local", "local_files_only", "name_or_path"}  # what a tokenizer notes of where it was loaded from
# largest difference between the logits of the trained and of the saved or merged adapter, as a share of the
# largest logit: sums taken in another order differ, and bfloat16 has eight bits of precision
_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}


def texts(rows: Sequence[Row], renderer: Renderer) -> list[str]:
    """Whole conversations, as the template renders them."""
    return [renderer.text(renderer.rendering.messages([*row["prompt"], *row["completion"]])) for row in rows]


def check_tokenizer(tokenizer: Any, folder: str | Path, probes: Sequence[str], where: str) -> None:
    """PonensError if the folder's tokenizer.json, as other engines read it, gives other tokens."""
    saved = Path(folder) / "tokenizer.json"
    if folder and saved.exists():
        tokens.check_same_ids(probes, tokenizer, Tokenizer.from_file(str(saved)), where)


def save_and_check(
    model: Any, tokenizer: Any, probes: Sequence[str], folder: Path, spec: dict[str, Any]
) -> dict[str, float]:
    """Save a PEFT folder, load it again, merge it, compare. PonensError if it changes nothing or was saved wrong.

    Returns the largest change of a logit against the base, and the largest differences after reload and merge.
    """
    save(model, tokenizer, folder, spec)
    check_tokenizer(tokenizer, folder, probes, "that was saved with the adapter")
    tokens.check_same_ids(probes, tokenizer, AutoTokenizer.from_pretrained(folder), "that is loaded with the adapter")
    batch = tokenizer(
        list(probes[:4]), add_special_tokens=False, return_tensors="pt", padding=True, truncation=True, max_length=256
    )
    batch = batch.to(model.device)
    trained = _logits(model, batch)
    with model.disable_adapter():
        base = _logits(model, batch)
    model.load_adapter(str(folder), adapter_name="saved")
    model.set_adapter("saved")
    saved = _logits(model, batch)
    model.merge_adapter(["saved"])
    merged = _logits(model, batch)
    model.unmerge_adapter()
    allowed = _TOLERANCE.get(model.dtype, 2e-2) * float(trained.abs().max())
    change = float((trained - base).abs().max())
    if not change > 0:
        raise PonensError("the adapter changes no logit: it would score as the base does", seen=f"change {change}")
    found = {"changes": change}
    for name, logits in (("reload", saved), ("merge", merged)):
        found[f"{name}_error"] = error = float((trained - logits).abs().max())
        if not error <= allowed:
            raise PonensError(
                f"the adapter after {name} is not the trained one",
                seen=f"logits differ by {error:.3g}",
                expected=f"at most {allowed:.3g}",
            )
    return found


def save(model: Any, tokenizer: Any, folder: Path, spec: dict[str, Any]) -> None:
    """Adapter, tokenizer and template, without a trace of this machine, equal bytes for equal training."""
    model.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text())
    config = {key: sorted(value) if isinstance(value, list) else value for key, value in config.items()}
    # vllm's resolver wants the very string that the server was given as its model
    config |= {"base_model_name_or_path": spec["base_model"], "revision": spec["revision"]}
    write_json(folder / "adapter_config.json", config)
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
