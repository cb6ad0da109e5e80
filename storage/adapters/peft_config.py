"""What a PEFT configuration asks for, and who can do it: pure, so that a plan, an import and a server can ask.

on_the_fly({"use_dora": True})                    ["DoRA"]: vLLM adds low ranks to known layers, and nothing else
unusable({"alora_invocation_tokens": [5, 6]})     "alora_invocation_tokens", which nothing here applies
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

SERVABLE_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # of an adapter, as vLLM has kernels for them
# what PEFT applies and merges, and what shapes training alone
_KNOWN = frozenset((
    "peft_type", "peft_version", "auto_mapping", "base_model_name_or_path", "revision", "task_type", "inference_mode",
    "r", "target_modules", "exclude_modules", "lora_alpha", "lora_dropout", "fan_in_fan_out", "bias", "use_rslora",
    "modules_to_save", "init_lora_weights", "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern",
    "megatron_core", "trainable_token_indices", "loftq_config", "eva_config", "corda_config", "lora_ga_config",
    "velora_config", "use_dora", "runtime_config", "lora_bias", "target_parameters", "ensure_weight_tying",
    "qalora_group_size",
))  # fmt: skip
# these begin training at other numbers and leave the base as it is; all other words change the base when PEFT loads
_PLAIN_INITS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga", "true")
_ADDED = re.compile(r"\.lora_(A|B)(\.[^.]+)?\.weight$|\.lora_embedding_(A|B)(\.[^.]+)?$")


def unusable(config: Mapping[str, Any]) -> str | None:
    """The setting that nothing here can apply and PEFT does not merge, such as aLoRA's; None if there is none."""
    wanted = (
        name for name, value in config.items() if name not in _KNOWN and value not in (None, False, 0, "", [], {})
    )
    return next(wanted, None)


def on_the_fly(config: Mapping[str, Any], tensors: Iterable[str] = ()) -> list[str]:
    """What vLLM does not add on the fly, in words; none if it can. `tensors` are the names in the adapter's file."""
    init = config.get("init_lora_weights", True)
    asked = {
        "DoRA": config.get("use_dora"),
        "modules trained whole": config.get("modules_to_save"),
        "tokens of its own": config.get("trainable_token_indices"),
        f"bias {config.get('bias')!r}": config.get("bias", "none") != "none",
        "lora_bias": config.get("lora_bias"),
        f"init_lora_weights {init!r}": isinstance(init, str) and init.lower() not in _PLAIN_INITS,
        "target_parameters": config.get("target_parameters"),
    }
    found = [what for what, so in asked.items() if so]
    if not found and (other := next((name for name in tensors if not _ADDED.search(name)), None)):
        return [f"the tensor {other}"]
    return found


def rank_of(config: Mapping[str, Any], module: str) -> int:
    """The rank that PEFT gives a module: of the first pattern that matches the end of its name, else `r`."""
    for pattern, rank in (config.get("rank_pattern") or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return int(rank)
    return int(config["r"])


def targets(config: Mapping[str, Any], module: str) -> bool:
    """Whether PEFT puts matrices on this module: target_modules, exclude_modules and layers_to_transform together.

    PEFT's own rule (`peft.tuners.tuners_utils.check_target_module_exists`).
    """
    wanted, excluded = config.get("target_modules") or [], config.get("exclude_modules") or []
    if _named(excluded, module) or any(
        re.match(rf"(^|.*\.){name}($|\..*)", module) for name in config.get("modules_to_save") or []
    ):
        return False
    if isinstance(wanted, str) or module in wanted:
        return _named(wanted, module)
    layers = config.get("layers_to_transform")
    if not _named(wanted, module) or layers is None or layers == []:
        return _named(wanted, module)
    number = _layer(module, config.get("layers_pattern"))
    return number is not None and number in ([layers] if isinstance(layers, int) else layers)


def _named(wanted: Any, module: str) -> bool:
    if isinstance(wanted, str):
        return re.fullmatch(wanted, module) is not None
    return any(module == name or module.endswith(f".{name}") for name in wanted)


def _layer(module: str, patterns: Any) -> int | None:
    """The number of the layer that a module stands in, its first number."""
    named = [patterns] if isinstance(patterns, str) else patterns or []
    tried = [rf"(?:^|.*?\.){pattern}\.(\d+)\." for pattern in named] or [r".*?\.[^.]*\.(\d+)\."]
    return next((int(match[1]) for pattern in tried if (match := re.match(pattern, module))), None)
