"""export: an adapter version -> a PEFT folder for other tools, or a merged model.

    export_adapter(adapter, Path("logic-lora"))                  peft, vLLM and LoRAX load it
    export_adapter(adapter, Path("logic-7b"), form="merged")     weights of base and adapter in one
    export_adapter(adapter, Path("logic-gguf"), form="gguf")     the same for llama.cpp and Ollama, with a Modelfile

The merged model has the adapter's tokenizer and template and the base's numbers. An adapter that was trained over
a quantised base is merged into the base as it is unquantised, which is how it is evaluated and served here.
"""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import orjson

from storage.adapters.folder import AdapterFolder
from storage.adapters.peft_folder import CONFIG, KEPT, WEIGHTS
from storage.adapters.versions import Adapter, about
from storage.records import PonensError, UsageError
from tasks.engines.interface import Loading
from tasks.gguf.write import Quantization
from tasks.models import base_models
from tasks.models.quiet import quiet

Form = Literal["peft", "merged", "gguf", "gguf-lora"]
CARD = "README.md"
_NAMES = {"peft": "peft", "merged": "merged model", "gguf": "GGUF", "gguf-lora": "LoRA in GGUF"}
_SAME = 0.01  # nats between log-probabilities of one token in a merged model and in its GGUF file
# what every release of PEFT since 0.7 reads, LoRAX's among them: to these, a word it does not know is an error
_OLD = frozenset((
    "peft_type", "auto_mapping", "base_model_name_or_path", "revision", "task_type", "inference_mode", "r",
    "target_modules", "lora_alpha", "lora_dropout", "fan_in_fan_out", "bias", "modules_to_save", "init_lora_weights",
    "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern",
))  # fmt: skip
_UNSET: tuple[object, ...] = (None, False, {}, [], "")
_DEFAULTS = {"qalora_group_size": 16}


def export_adapter(
    adapter: Adapter,
    out: Path,
    *,
    form: Form = "peft",
    quantization: Quantization = "q8_0",
    base_model: str | None = None,
) -> dict[str, Any]:
    """Write the folder `out`, which must not be there; what it holds, for people and programs.

    `base_model` is what the configuration then names as base, such as the folder's place on another machine;
    `quantization` is of a GGUF file's weights. UsageError if `out` is there, or if the model cannot be written in that
    form; PonensError if the base model is not the one the adapter was trained on, or the GGUF file answers otherwise.
    """
    if out.exists():
        raise UsageError(f"{out} is there already", expected="a folder to make", hint="choose another --out")
    told = about(adapter)
    aside = out.with_name(f".{out.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        with contextlib.nullcontext() if form == "peft" else quiet():
            more = _written(adapter, told, aside, form, quantization, base_model)
        aside.rename(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return {
        "adapter": str(adapter),
        "as": _NAMES[form],
        "out": str(out),
        "base_model": base_model or told["base_model"],
        "files": sorted(p.name for p in out.iterdir()),
        "bytes": sum(p.stat().st_size for p in out.iterdir()),
        **more,
    }


def _written(
    adapter: Adapter,
    told: Mapping[str, Any],
    out: Path,
    form: Form,
    quantization: Quantization,
    base_model: str | None,
) -> dict[str, Any]:
    """Write the files into `out`; what there is to say beside them."""
    if form == "peft":
        _peft(adapter, told, base_model, out)
    elif form == "merged":
        _merged(adapter, told, out)
    elif form == "gguf-lora":
        _gguf_lora(adapter, told, out)
    else:
        return _gguf(adapter, told, out, quantization)
    return {}


def _gguf(adapter: Adapter, told: Mapping[str, Any], out: Path, quantization: Quantization) -> dict[str, Any]:
    from tasks.gguf.compare import compare
    from tasks.gguf.write import check, write

    check(_config(told))
    merged, file = out / "merged", out / f"{adapter.name}-{adapter.number}.{quantization}.gguf"
    merged.mkdir()
    _merged(adapter, told, merged)
    write(merged, file, quantization, str(adapter))
    agreement = compare(merged, file)
    if not agreement.tokens or (quantization == "f32" and agreement.apart > _SAME):
        raise PonensError(
            f"the GGUF file of {adapter} does not answer as the merged model",
            seen=f"tokens {'equal' if agreement.tokens else 'differ'}, log-probabilities {agreement.apart:.3g} apart",
            expected=f"equal tokens, at most {_SAME} at f32",
            hint="export with --merge, and convert that folder with llama.cpp's convert_hf_to_gguf.py",
        )
    (out / "Modelfile").write_text(_modelfile(adapter, told, merged, file.name), "utf-8")
    shutil.rmtree(merged)
    return {"quantization": quantization, "agreement": agreement.dict()}


def _gguf_lora(adapter: Adapter, told: Mapping[str, Any], out: Path) -> None:
    from tasks.gguf.write import write_lora

    write_lora(adapter.folder, _config(told), out / f"{adapter.name}-{adapter.number}.lora.gguf", str(adapter))


def _modelfile(adapter: Adapter, told: Mapping[str, Any], merged: Path, file: str) -> str:
    from transformers import AutoTokenizer

    from tasks.gguf.modelfile import modelfile

    tokenizer = AutoTokenizer.from_pretrained(merged, local_files_only=True)
    return modelfile(
        file,
        tokenizer,
        system=(told.get("rendering") or {}).get("system"),
        question=(told.get("inference") or {}).get("question") or {},
        stops=[tokenizer.eos_token] if tokenizer.eos_token else [],
        about=f"{adapter}, an adapter of {base_models.title(str(told['base_model']))}, merged",
    )


def _config(told: Mapping[str, Any]) -> dict[str, Any]:
    """The base model's config.json."""
    place = base_models.snapshot(told["base_model"], told.get("revision"))
    config: dict[str, Any] = orjson.loads((place / "config.json").read_bytes())
    return config


def plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """A PEFT configuration without settings that are not set and that an older PEFT would stumble over.

    >>> plain({"r": 8, "use_dora": False, "use_rslora": True, "modules_to_save": None, "peft_version": "0.21.2"})
    {'r': 8, 'use_rslora': True, 'modules_to_save': None}
    """
    return {
        name: value
        for name, value in config.items()
        if name in _OLD or (value not in _UNSET and name != "peft_version" and value != _DEFAULTS.get(name))
    }


def _peft(adapter: Adapter, told: Mapping[str, Any], base_model: str | None, out: Path) -> None:
    for name in (*KEPT, CARD):
        if (adapter.folder / name).is_file():
            shutil.copyfile(adapter.folder / name, out / name)
    config = plain(AdapterFolder(adapter.folder).config)
    base = base_model or _place(told)
    AdapterFolder(out).configure({**config, "base_model_name_or_path": base, "inference_mode": True})


def _place(told: Mapping[str, Any]) -> str:
    """The base by a name that holds wherever the folder is loaded on this machine."""
    place = base_models.folder(told["base_model"])
    return str(place) if place else str(told["base_model"])


def _merged(adapter: Adapter, told: Mapping[str, Any], out: Path) -> None:
    found = base_models.identity(told["base_model"], told.get("revision"))
    if (expected := told.get("base_identity")) not in (None, found):
        raise PonensError(
            f"the base model of {adapter} is not the one it was trained on",
            seen=f"{told['base_model']}, identity {found[:16]}",
            expected=f"identity {str(expected)[:16]}",
            hint="put back that model, or train again",
        )
    from tasks.engines import weights

    place = base_models.folder(told["base_model"])
    loading = Loading(str(place or told["base_model"]), revision=told.get("revision"))
    model = weights.load(loading, adapter.folder)
    model.save_pretrained(out, safe_serialization=True)
    for name in (*KEPT, CARD):
        if name not in (CONFIG, WEIGHTS) and (adapter.folder / name).is_file():
            shutil.copyfile(adapter.folder / name, out / name)
    if not all(math.isfinite(float(value.abs().max())) for value in model.parameters() if value.numel()):
        raise PonensError(f"{adapter} merged is not a finite model", hint="evaluate it before you serve it")
