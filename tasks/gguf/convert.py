"""A GGUF file -> a folder with safetensors, configuration, tokenizer, template and generation settings. Heavy.

    python -m tasks.gguf.convert ORDER.json      {"file", "out", "dtype", "tokenizer"}

The weights are dequantised: the folder holds the very numbers that the file's blocks stand for, in float32 exactly.
The parent hears {"about": …}: what model.json then says.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import orjson

from storage.records import PonensError, UsageError
from tasks.gguf import header as headers
from tasks.gguf import pre_tokenizers
from tasks.runtime import worker

_TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "chat_template.jinja", "vocab.json", "merges.txt", "tokenizer.model",
)  # fmt: skip
_PROBES = (
    "In 2024, 1234567 people paid $3.50; it's 5% more.",
    "SELECT count(*) FROM t WHERE x >= 10\n\n  -- done",
    "我们在2024年有3只猫。",
    "  two spaces, naïve ÉCOLE",
)


def convert(order_file: Path) -> None:
    """Write the folder. UsageError for a file that no base can be made of; PonensError if what was written differs."""
    order = orjson.loads(order_file.read_bytes())
    file, out = Path(order["file"]), Path(order["out"])
    header = headers.read(file)
    out.mkdir(parents=True, exist_ok=True)
    worker.say({"say": "rebuilding the tokenizer"})
    tokenizer = _tokenizer(file, header, order["tokenizer"] and Path(order["tokenizer"]), out)
    worker.say({"say": "dequantising the weights"})
    stops = _weights(file, header, order["dtype"], out)
    _same_tokens(out)
    worker.say({"about": {
        "architecture": header.architecture,
        "title": header.get("general.name"),
        "license": header.get("general.license"),
        "quantization": header.quantization,
        "parameters": header.parameters,
        "context_length": header.get("{arch}.context_length"),
        "dtype": order["dtype"],
        "tokenizer": order["tokenizer"] or "rebuilt",
        "pre_tokenizer": header.get("tokenizer.ggml.pre"),
        "template": bool(tokenizer.chat_template),
        "stops": tokenizer.convert_ids_to_tokens(stops),
    }})  # fmt: skip


def _tokenizer(file: Path, header: headers.Header, given: Path | None, out: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        rebuilt = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
    except (ValueError, KeyError, OSError) as error:
        raise UsageError(
            f"no tokenizer can be made of {file}",
            seen=str(error).splitlines()[0],
            hint="name a folder with the model's own tokenizer.json: --tokenizer FOLDER",
        ) from None
    if given:
        _take(given, rebuilt, out)
        return AutoTokenizer.from_pretrained(out, local_files_only=True)
    if header.get("tokenizer.ggml.model") == "gpt2":
        rebuilt.backend_tokenizer.pre_tokenizer = pre_tokenizers.rule(header.get("tokenizer.ggml.pre") or "(none)")
    if header.get("tokenizer.ggml.add_bos_token") and rebuilt.bos_token:
        _begin_with_bos(rebuilt)
    rebuilt.model_max_length = header.get("{arch}.context_length") or rebuilt.model_max_length
    rebuilt.save_pretrained(out)
    return rebuilt


def _begin_with_bos(tokenizer: Any) -> None:
    from tokenizers.processors import TemplateProcessing

    bos = tokenizer.bos_token
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, tokenizer.bos_token_id)]
    )


def _take(given: Path, rebuilt: Any, out: Path) -> None:
    """Copy a tokenizer's files. UsageError if its tokens have other numbers than the file's."""
    from tokenizers import Tokenizer

    path = given / "tokenizer.json"
    if not path.is_file():
        raise UsageError(f"there is no tokenizer in {given}", expected="a folder with tokenizer.json")
    theirs, ours = Tokenizer.from_file(str(path)).get_vocab(), rebuilt.get_vocab()
    other = [token for token, number in ours.items() if theirs.get(token, number) != number]
    missing = len(ours.keys() - theirs.keys())
    if other or missing > len(ours) // 10:
        raise UsageError(
            f"the tokenizer in {given} is another model's",
            seen=f"{len(other)} tokens have another number, {missing} of {len(ours)} are not there",
            expected="the tokens of the file, by the same numbers",
        )
    for name in _TOKENIZER_FILES:
        if (given / name).is_file():
            shutil.copyfile(given / name, out / name)


def _weights(file: Path, header: headers.Header, dtype: str, out: Path) -> list[int]:
    """Write configuration, weights and generation settings; the ids of the tokens that end a reply."""
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    numbers = torch.float32 if dtype == "float32" else torch.bfloat16
    try:
        model = AutoModelForCausalLM.from_pretrained(
            file.parent,
            gguf_file=file.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=numbers,
            local_files_only=True,
        )
    except (ValueError, KeyError, OSError, NotImplementedError, RuntimeError) as error:
        raise UsageError(
            f"the weights of {file} cannot be read",
            seen=f"architecture {header.architecture}, {', '.join(header.quantization)}: {str(error).splitlines()[0]}",
            expected="an architecture and a quantisation that transformers reads from GGUF",
            hint="take the model as safetensors, where it is published so",
        ) from None
    stops = _stops(header)
    if stops:
        model.generation_config.eos_token_id = stops if len(stops) > 1 else stops[0]
    model.config._name_or_path = ""
    model.save_pretrained(out, safe_serialization=True)
    _same_weights(model, out)
    return stops


def _stops(header: headers.Header) -> list[int]:
    keys = ("eos_token_id", "eot_token_id", "eom_token_id")
    named = [header.get(f"tokenizer.ggml.{key}") for key in keys]
    return list(dict.fromkeys(int(number) for number in named if number is not None))


def _same_weights(model: Any, out: Path) -> None:
    """PonensError if the folder, loaded again, answers otherwise than what was written into it."""
    import torch
    from transformers import AutoModelForCausalLM

    again = AutoModelForCausalLM.from_pretrained(out, dtype=model.dtype, local_files_only=True, use_safetensors=True)
    ids = torch.arange(3, 19).unsqueeze(0) % model.config.get_text_config().vocab_size
    with torch.no_grad():
        apart = (model.eval()(ids).logits - again.eval()(ids).logits).abs().max().item()
    if not apart == 0.0:
        raise PonensError(
            "the folder is not the model that was read", seen=f"logits differ by {apart:.3g}", expected="the same"
        )


def _same_tokens(out: Path) -> None:
    """PonensError if the tokenizer that loads from the folder is not the one that was saved.

    transformers gives some families their own pre-tokenizer, whatever tokenizer.json says.
    """
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    saved, loaded = Tokenizer.from_file(str(out / "tokenizer.json")), AutoTokenizer.from_pretrained(out)
    for text in _PROBES:
        ours = saved.encode(text, add_special_tokens=False).ids
        if ours != (theirs := loaded(text, add_special_tokens=False)["input_ids"]):
            raise PonensError(
                "transformers loads another tokenizer than the one that was saved",
                seen=f"{text!r}: {theirs[:8]} against {ours[:8]}",
                expected="equal token ids",
                hint="name a folder with the model's own tokenizer: --tokenizer FOLDER",
            )


if __name__ == "__main__":
    sys.exit(worker.work(convert, Path(sys.argv[1])))
