"""What is wrong with a training before anything is paid for it: its base's files are read, nothing is loaded.

    problems(spec)      [] or what is wrong, each as the error that training would end with; no torch, no tokenizer

Of a base that is not on this machine nothing can be said, and nothing is. Rows are checked when there are some
(`tasks.tokenizing.encoding`), by the tokenizer itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prompts import ending
from prompts.rendering import knows_thinking, shipped
from storage import chat_template
from storage.adapters.peft_fit import Layers
from storage.records import PonensError, UsageError
from tasks.models import base_models
from tasks.tokenizing import template_errors, tokenizer_files
from tasks.train.presets import HEADS
from tasks.train.spec import TrainSpec

_EMBEDDINGS = ("embed_tokens", "wte", "word_embeddings", "embed_in", "tok_embeddings", "shared")


def problems(spec: TrainSpec) -> list[PonensError]:
    """Everything that is known to be wrong with these settings over their base model."""
    try:
        place = base_models.snapshot(spec.base_model, spec.revision)
    except UsageError:
        return []
    return [*_modules(spec, place), *_template(spec, place)]


def _template(spec: TrainSpec, place: Path) -> Iterator[PonensError]:
    own = spec.template == "own"
    text = chat_template.text(place) if own else shipped(spec.template).text
    if text is None:
        yield template_errors.no_template(chat_template.named(place))
        return
    told = tokenizer_files.tokens(place)
    if not own and (stop := shipped(spec.template).stop):
        told = tokenizer_files.Told(
            {**told.special, "eos_token": stop}, {**told.added, **dict.fromkeys(shipped(spec.template).tokens, -1)}
        )
    if not (told.special.get("eos_token") or told.special.get("pad_token")):
        yield template_errors.no_end()
    if spec.thinking is not None and not knows_thinking(text):
        yield template_errors.no_thinking(spec.template, spec.thinking)
    yield from _end(spec, text, told)


def _end(spec: TrainSpec, text: str, told: tokenizer_files.Told) -> Iterator[PonensError]:
    if not told.added:
        return  # no tokenizer.json: only the tokenizer itself can tell
    variables = dict(told.special) | ({} if spec.thinking is None else {"enable_thinking": spec.thinking})
    try:
        after = ending.after_reply(ending.writer(text, variables))
    except Exception:  # a template raises what it likes; the tokenizer's own rendering decides
        return
    eos = told.special.get("eos_token")
    if after is None:
        return
    if not after.strip():
        yield template_errors.ends_with_nothing(spec.template, eos)
    elif not ending.end_tokens(after, [*told.added, *([eos] if eos else [])]):
        yield template_errors.ends_otherwise(spec.template, after, [eos] if eos else [])


def _modules(spec: TrainSpec, place: Path) -> Iterator[PonensError]:
    if spec.method == "full":
        return
    layers, tied = Layers(place), base_models.config(spec.base_model, spec.revision).get("tie_word_embeddings")
    for name in spec.modules_to_save:
        if name not in HEADS and not any(tensor.rpartition(".")[0].endswith(name) for tensor in layers.shapes):
            yield _absent("modules_to_save", name, layers)
    for name in [] if isinstance(spec.target_modules, str) else spec.target_modules:
        end = name.rpartition(".")[2]
        if end in _EMBEDDINGS and tied:
            yield UsageError(
                f"[train] target_modules names {name!r}, which this base model's head is as well",
                seen="tie_word_embeddings in its config.json",
                expected="layers between embeddings and head, such as q_proj, or modules_to_save for the ends",
                hint=f"take {name!r} out of target_modules",
            )
        elif not any(m == name or m.endswith(f".{name}") for m in layers.named):
            yield _absent("target_modules", name, layers)


def _absent(setting: str, name: str, layers: Layers) -> UsageError:
    return UsageError(
        f"[train] {setting} names {name!r}, which this base model has not",
        seen=repr(name),
        expected="names of its layers: " + ", ".join(sorted({m.rpartition(".")[2] for m in layers.modules})),
        hint=f"leave it out of {setting}",
    )
