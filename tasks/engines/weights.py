"""Base models and adapters as transformers and peft read them; what both engines share. Child process only."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from prompts.rendering import Rendering, Wish
from storage.adapters.folder import AdapterFolder
from storage.records import PonensError
from tasks.engines.interface import Loading, Reader
from tasks.models import vocabulary
from tasks.tokenizing import renderer

_LAYER = re.compile(r"\.\d+\.")  # a tensor of one of the layers, not of the embeddings, the head or the last norm


def tokenizer(loading: Loading, subject: str = "base") -> Any:
    """The tokenizer that was saved with an adapter, if one was; else the base model's."""
    folder = loading.adapters.get(subject)
    if folder is not None and (folder / "tokenizer.json").is_file():
        return renderer.load(str(folder), None)
    return renderer.load(loading.model, loading.revision)


def readers(loading: Loading, context: int) -> dict[str, Reader]:
    """A reader for each subject: its own tokens, and where its replies end.

    That is at the base model's own stops, at those saved with an adapter, at the tokenizer's eos, and at the token by
    which the chat template ends a reply.
    """
    stops, found = renderer.stop_tokens(loading.model, loading.revision), {}
    for name in ("base", *loading.adapters):
        own = tokenizer(loading, name)
        saved = renderer.stop_tokens(loading.adapters[name]) if name in loading.adapters else set()
        known = stops | saved | ({own.eos_token_id} - {None})
        ends = _ends(own)
        found[name] = Reader(own, context, known if known.intersection(ends) else known | {*ends[:1]})
    if getattr(found["base"].tokenizer, "chat_template", None) is None:  # asked by the first adapter's template
        learnt = next((reader for name, reader in found.items() if name != "base"), found["base"])
        rows = len(found["base"].tokenizer)
        known = {i for i in learnt.stops if i < rows}
        found["base"] = Reader(found["base"].tokenizer, context, known | {*found["base"].stops})
    return found


def _ends(tokenizer: Any) -> list[int]:
    """The tokens by which the tokenizer's template ends a reply; none if it has no template, or ends it with text."""
    text = getattr(tokenizer, "chat_template", None)
    try:
        found = renderer.end_tokens(renderer.Renderer(tokenizer, Rendering(Wish(), text))) if text else []
    except PonensError:  # refused where a training would learn it
        return []
    return [int(i) for i in tokenizer.convert_tokens_to_ids(found)]


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
    own = folder is not None and AdapterFolder(folder).is_full_model
    return _rows(folder) if folder and own else _rows(loading.model, loading.revision)


def _rows(place: str | Path, revision: str | None = None) -> int:
    from transformers import AutoConfig

    return int(AutoConfig.from_pretrained(str(place), revision=revision).get_text_config().vocab_size)


def unties(loading: Loading, adapter: Path) -> bool:
    """Whether the adapter gives a head and embeddings that are one tensor in its base each numbers of their own."""
    folder = AdapterFolder(adapter)
    if folder.is_full_model:
        return not _tied(adapter)
    ends = [name for name in folder.shapes if not _LAYER.search(name) and "token_adapter" not in name]
    return bool(ends)


def is_tied(loading: Loading) -> bool:
    """Whether the base's head and embeddings are one tensor."""
    return _tied(loading.model, loading.revision)


def _tied(place: str | Path, revision: str | None = None) -> bool:
    from transformers import AutoConfig

    return bool(getattr(AutoConfig.from_pretrained(str(place), revision=revision), "tie_word_embeddings", False))


def load(loading: Loading, adapter: Path | None, device: str = "cpu", rows: int = 0, *, apart: bool = False) -> Any:
    """The base model, with the adapter's weights added to its own if there is one (`tasks.models.merging`).

    Its embeddings have room for the adapter's own tokens, and at least `rows` rows; with `apart` its head has a tensor
    of its own. PonensError if the adapter does nothing, or merged something else than PEFT does with it.
    """
    from transformers import AutoModelForCausalLM

    from tasks.models import merging

    own = adapter is not None and AdapterFolder(adapter).is_full_model
    place, revision = (adapter, None) if own else (loading.model, loading.revision)
    model = AutoModelForCausalLM.from_pretrained(place, revision=revision, dtype=dtype(loading)).to(device)
    vocabulary.grow(model, max(rows, AdapterFolder(adapter).rows_needed if adapter and not own else 0))
    if adapter and not own:
        model = merging.merged(model, adapter)
    if apart:
        merging.part(model)
    return model.eval()


def save_merged(loading: Loading, adapter: Path | None, folder: Path, rows: int = 0, *, apart: bool = False) -> Path:
    """The folder of base weights with the adapter's added, so many rows; the caller removes `folder`.

    With `apart` the head is saved beside the embeddings, whatever the model. A model of its own that is so already is
    not copied. What the weights say to a few texts lies in `folder` (`tasks.engines.weight_check`).
    """
    from tasks.engines import weight_check

    own = adapter is not None and AdapterFolder(adapter).is_full_model
    kept = adapter if adapter and own and rows <= _rows(adapter) and not (apart and _tied(adapter)) else None
    if not folder.exists():
        aside = folder.with_suffix(".part")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        model = load(loading, adapter, rows=rows, apart=apart)
        if kept is None:
            model.save_pretrained(aside)
        weight_check.note(model, tokenizer(loading), aside)
        aside.rename(folder)
    return kept or folder
