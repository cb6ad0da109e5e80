"""A folder of safetensors -> a GGUF file for llama.cpp and Ollama; a PEFT folder -> a LoRA in GGUF. Heavy.

    write(Path("logic-7b"), Path("logic-7b.gguf"), "q8_0")

Source of the keys and of how rows are laid out: the GGUF specification of ggml and the `gguf` library's tensor names.
llama-like attention keeps its rotary halves interleaved there, so rows of q and k change places.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import orjson

from storage.records import PonensError, UsageError
from tasks.gguf import pre_tokenizers

Quantization = Literal["f32", "f16", "bf16", "q8_0"]
# architecture in config.json -> its name in GGUF, and whether rows of q and k change places
_ARCHITECTURES = {
    "LlamaForCausalLM": ("llama", True),
    "MistralForCausalLM": ("llama", True),
    "Qwen2ForCausalLM": ("qwen2", False),
    "Qwen3ForCausalLM": ("qwen3", False),
}
_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5


def check(config: dict[str, Any]) -> None:
    """UsageError for a model that is not written as GGUF here; `config` is its config.json."""
    architecture = (config.get("architectures") or ["(none)"])[0]
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if architecture not in _ARCHITECTURES:
        raise UsageError(
            "this architecture is not written as GGUF here",
            seen=architecture,
            expected=f"one of {', '.join(_ARCHITECTURES)}",
            hint="export with --merge, and convert that folder with llama.cpp's convert_hf_to_gguf.py",
        )
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        raise UsageError(
            "scaled rotary positions are not written as GGUF here",
            seen=f"rope_type {rope.get('rope_type', rope.get('type'))!r}",
            expected="'default'",
            hint="export with --merge, and convert that folder with llama.cpp's convert_hf_to_gguf.py",
        )


def write(folder: Path, out: Path, quantization: Quantization, name: str) -> None:
    """Write `out`. UsageError for an architecture, a rope or a tokenizer that is not written here."""
    from gguf import GGUFWriter

    config = orjson.loads((folder / "config.json").read_bytes())
    check(config)
    architecture, swapped = _ARCHITECTURES[config["architectures"][0]]
    writer = GGUFWriter(str(out), architecture)
    _shape(writer, config, name, quantization)
    _tokenizer(writer, folder, int(config["vocab_size"]))
    for tensor, values in _tensors(folder, config, architecture, swapped):
        data, kind = _stored(values, quantization)
        writer.add_tensor(tensor, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_lora(adapter: Path, base_config: dict[str, Any], out: Path, name: str) -> None:
    """Write a LoRA alone, for `llama-server --lora`. UsageError if it changes more than linear layers."""
    import numpy as np
    from gguf import GGUFWriter
    from safetensors.numpy import load_file

    check(base_config)
    architecture, swapped = _ARCHITECTURES[base_config["architectures"][0]]
    settings = orjson.loads((adapter / "adapter_config.json").read_bytes())
    _only_linear(settings)
    names = _names(architecture, base_config)
    writer = GGUFWriter(str(out), architecture)
    writer.add_type("adapter")
    writer.add_name(name)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", _alpha(settings))
    for key, values in sorted(load_file(adapter / "adapter_model.safetensors").items()):
        module, _, side = key.removeprefix("base_model.model.").partition(".lora_")
        tensor = names.get_name(f"{module}.weight", try_suffixes=(".weight",))
        if tensor is None or not side:
            raise UsageError("this tensor of the adapter has no place in GGUF", seen=key)
        if side.startswith("B") and swapped:
            values = _interleaved(values, module, base_config)
        writer.add_tensor(f"{tensor}.lora_{side[0].lower()}", np.ascontiguousarray(values, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _alpha(settings: dict[str, Any]) -> float:
    """llama.cpp divides by the rank; rank-stabilised LoRA divides by its root."""
    alpha, rank = float(settings["lora_alpha"]), int(settings["r"])
    return alpha * rank**0.5 if settings.get("use_rslora") else alpha


def _only_linear(settings: dict[str, Any]) -> None:
    unfit = ("use_dora", "modules_to_save", "trainable_token_indices", "rank_pattern", "alpha_pattern", "lora_bias")
    named = [key for key in unfit if settings.get(key)]
    if named or settings.get("bias", "none") != "none":
        raise UsageError(
            "this adapter is more than a LoRA on linear layers",
            seen=", ".join(named or [f"bias {settings['bias']!r}"]),
            hint="export the merged model: --gguf without --lora",
        )


def _shape(writer: Any, config: dict[str, Any], name: str, quantization: Quantization) -> None:
    from gguf import LlamaFileType

    types = {
        "f32": LlamaFileType.ALL_F32,
        "f16": LlamaFileType.MOSTLY_F16,
        "bf16": LlamaFileType.MOSTLY_BF16,
        "q8_0": LlamaFileType.MOSTLY_Q8_0,
    }
    heads = int(config["num_attention_heads"])
    rope = config.get("rope_parameters") or {}
    writer.add_name(name)
    writer.add_file_type(types[quantization])
    writer.add_quantization_version(2)
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(int(config["hidden_size"]))
    writer.add_block_count(int(config["num_hidden_layers"]))
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(heads)
    writer.add_head_count_kv(int(config.get("num_key_value_heads") or heads))
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
    writer.add_rope_freq_base(float(rope.get("rope_theta") or config.get("rope_theta") or 10000.0))
    width = _head_width(config)
    writer.add_rope_dimension_count(width)
    if width * heads != int(config["hidden_size"]):
        writer.add_key_length(width)
        writer.add_value_length(width)
    writer.add_vocab_size(int(config["vocab_size"]))


def _head_width(config: dict[str, Any]) -> int:
    return int(config.get("head_dim") or int(config["hidden_size"]) // int(config["num_attention_heads"]))


def _tokenizer(writer: Any, folder: Path, rows: int) -> None:
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
    content = orjson.loads((folder / "tokenizer.json").read_bytes())
    pre = pre_tokenizers.pre(backend) if content["model"]["type"] == "BPE" else None
    if pre is None:
        raise UsageError(
            "this tokenizer is not written as GGUF here",
            seen=f"a {content['model']['type']} whose rule has no name that llama.cpp knows",
            expected="byte-level BPE with the rule of Qwen, Llama 3, SmolLM, GPT-2, Mistral (tekken) or GPT-4o",
            hint="export with --merge, and convert that folder with llama.cpp's convert_hf_to_gguf.py",
        )
    vocabulary = {number: token for token, number in backend.get_vocab(with_added_tokens=True).items()}
    kinds = {t["id"]: _CONTROL if t["special"] else _USER_DEFINED for t in content["added_tokens"]}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([vocabulary.get(number, f"[PAD{number}]") for number in range(rows)])
    writer.add_token_types([kinds.get(n, _NORMAL) if n in vocabulary else _UNUSED for n in range(rows)])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in content["model"]["merges"]])
    ids = tokenizer("a")["input_ids"]
    writer.add_add_bos_token(bool(ids) and ids[0] == tokenizer.bos_token_id)
    for key in ("bos", "eos", "pad", "unk"):
        if (number := getattr(tokenizer, f"{key}_token_id")) is not None:
            getattr(writer, f"add_{key}_token_id")(number)
    if (turn := _end_of_turn(folder, tokenizer.eos_token_id)) is not None:
        writer.add_eot_token_id(turn)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _end_of_turn(folder: Path, eos: int | None) -> int | None:
    """A token that ends a reply beside eos, as the generation settings say."""
    path = folder / "generation_config.json"
    stops = orjson.loads(path.read_bytes()).get("eos_token_id") if path.is_file() else None
    return next((int(n) for n in stops if n != eos), None) if isinstance(stops, list) else None


def _names(architecture: str, config: dict[str, Any]) -> Any:
    from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, get_tensor_name_map

    arch = next(key for key, value in MODEL_ARCH_NAMES.items() if value == architecture)
    return get_tensor_name_map(MODEL_ARCH(arch), int(config["num_hidden_layers"]))


def _tensors(
    folder: Path, config: dict[str, Any], architecture: str, swapped: bool
) -> Iterator[tuple[str, Any]]:  # fmt: skip
    """GGUF name and float32 values of each tensor; a head that is tied to the embedding is left out."""
    import torch
    from safetensors import safe_open

    names = _names(architecture, config)
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            for key in tensors.keys():  # noqa: SIM118  a safetensors file is no mapping
                if key == "lm_head.weight" and config.get("tie_word_embeddings"):
                    continue
                name = names.get_name(key, try_suffixes=(".weight", ".bias"))
                if name is None:
                    raise PonensError("this tensor of the model has no place in GGUF", seen=key)
                values = tensors.get_tensor(key).to(torch.float32).numpy()
                yield name, _interleaved(values, key, config) if swapped else values


def _interleaved(values: Any, key: str, config: dict[str, Any]) -> Any:
    """Rows of q and k with the two halves of each head's rotary pairs side by side; all else as it is."""
    if ".q_proj" in key:
        heads = int(config["num_attention_heads"])
    elif ".k_proj" in key:
        heads = int(config.get("num_key_value_heads") or config["num_attention_heads"])
    else:
        return values
    halves = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
    return halves.swapaxes(1, 2).reshape(values.shape)


def _stored(values: Any, quantization: Quantization) -> tuple[Any, Any]:
    """The bytes of a tensor and their kind: vectors and what does not fit in blocks of 32 stay as they are."""
    import numpy as np
    from gguf import GGMLQuantizationType, quants

    kind = GGMLQuantizationType[quantization.upper()]
    values = np.ascontiguousarray(values)
    if values.ndim == 1 or kind == GGMLQuantizationType.F32:
        return values, GGMLQuantizationType.F32
    if kind == GGMLQuantizationType.Q8_0 and values.shape[-1] % 32:
        kind = GGMLQuantizationType.F16
    return quants.quantize(values, kind), kind
