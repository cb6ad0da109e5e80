"""export: an adapter version -> a PEFT folder for other tools, or a merged model.

    export_adapter(adapter, Path("logic-lora"))                  peft, vLLM and LoRAX load it
    export_adapter(adapter, Path("logic-7b"), merge=True)        weights of base and adapter in one

The merged model has the adapter's tokenizer and template and the base's numbers. An adapter that was trained over
a quantised base is merged into the base as it is unquantised, which is how it is evaluated and served here.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from storage.adapters import Adapter, about
from storage.artifacts import write_json
from storage.peft_folder import CONFIG, KEPT, WEIGHTS
from storage.records import PonensError, UsageError
from tasks import models
from tasks.engines.base import Loading

CARD = "README.md"
# what every release of PEFT since 0.7 reads, LoRAX's among them: to these, a word it does not know is an error
_OLD = frozenset((
    "peft_type", "auto_mapping", "base_model_name_or_path", "revision", "task_type", "inference_mode", "r",
    "target_modules", "lora_alpha", "lora_dropout", "fan_in_fan_out", "bias", "modules_to_save", "init_lora_weights",
    "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern",
))  # fmt: skip
_UNSET: tuple[object, ...] = (None, False, {}, [], "")
_DEFAULTS = {"qalora_group_size": 16}


def export_adapter(
    adapter: Adapter, out: Path, *, merge: bool = False, base_model: str | None = None
) -> dict[str, Any]:
    """Write the folder `out`, which must not be there; what it holds, for people and programs.

    `base_model` is what the configuration then names as base, such as the folder's place on another machine.
    UsageError if `out` is there; PonensError if the base model is not the one the adapter was trained on.
    """
    if out.exists():
        raise UsageError(f"{out} is there already", expected="a folder to make", hint="choose another --out")
    told = about(adapter)
    aside = out.with_name(f".{out.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        if merge:
            _merged(adapter, told, aside)
        else:
            _peft(adapter, told, base_model, aside)
        aside.rename(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return {
        "adapter": str(adapter),
        "as": "merged model" if merge else "peft",
        "out": str(out),
        "base_model": base_model or told["base_model"],
        "files": sorted(p.name for p in out.iterdir()),
        "bytes": sum(p.stat().st_size for p in out.iterdir()),
    }


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
    config = plain(orjson.loads((adapter.folder / CONFIG).read_bytes()))
    write_json(out / CONFIG, config | {"base_model_name_or_path": base_model or _place(told), "inference_mode": True})


def _place(told: Mapping[str, Any]) -> str:
    """The base by a name that holds wherever the folder is loaded on this machine."""
    place = models.folder(told["base_model"])
    return str(place) if place else str(told["base_model"])


def _merged(adapter: Adapter, told: Mapping[str, Any], out: Path) -> None:
    found = models.identity(told["base_model"], told.get("revision"))
    if (expected := told.get("base_identity")) not in (None, found):
        raise PonensError(
            f"the base model of {adapter} is not the one it was trained on",
            seen=f"{told['base_model']}, identity {found[:16]}",
            expected=f"identity {str(expected)[:16]}",
            hint="put back that model, or train again",
        )
    from tasks.engines import weights

    place = models.folder(told["base_model"])
    loading = Loading(str(place or told["base_model"]), revision=told.get("revision"))
    model = weights.load(loading, adapter.folder)
    model.save_pretrained(out, safe_serialization=True)
    for name in (*KEPT, CARD):
        if name not in (CONFIG, WEIGHTS) and (adapter.folder / name).is_file():
            shutil.copyfile(adapter.folder / name, out / name)
    if not all(math.isfinite(float(value.abs().max())) for value in model.parameters() if value.numel()):
        raise PonensError(f"{adapter} merged is not a finite model", hint="evaluate it before you serve it")
