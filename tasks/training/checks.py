"""What is wrong with a training before anything is paid for it: its base's files are read, nothing is loaded.

    problems(spec)      [] or what is wrong, each as the error that training would end with; no torch, no tokenizer

Of a base that is not on this machine nothing can be said, and nothing is. Rows are checked when there are some
(`tasks.training.tokens`), by the tokenizer itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from prompts import ending
from prompts.rendering import knows_thinking, shipped
from storage import chat_template
from storage.peft_fit import Layers
from storage.records import PonensError, UsageError
from tasks import models
from tasks.training.presets import HEADS
from tasks.training.spec import TrainSpec

_EMBEDDINGS = ("embed_tokens", "wte", "word_embeddings", "embed_in", "tok_embeddings", "shared")
_SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token")


@dataclass(frozen=True, slots=True)
class Told:
    """What a folder's files say of its tokens: the special ones by role, and all that are added, with their numbers."""

    special: Mapping[str, str]
    added: Mapping[str, int]


def problems(spec: TrainSpec) -> list[PonensError]:
    """Everything that is known to be wrong with these settings over their base model."""
    try:
        place = models.snapshot(spec.base_model, spec.revision)
    except UsageError:
        return []
    return [*_modules(spec, place), *_template(spec, place)]


def tokens(folder: Path) -> Told:
    """What the tokenizer's files say; empty where they are not there."""
    told = {**_json(folder / "special_tokens_map.json"), **_json(folder / "tokenizer_config.json")}
    special = {role: _content(told[role]) for role in _SPECIAL if told.get(role)}
    added = _json(folder / "tokenizer.json").get("added_tokens") or []
    return Told(special, {str(one["content"]): int(one["id"]) for one in added})


def ends_with_nothing(template: str, eos: str | None) -> PonensError:
    """The error for a template after whose replies no token stands."""
    return PonensError(
        f"the chat template {template!r} ends a reply with nothing: a model would learn never to stop",
        seen="no text after an assistant's words",
        expected=f"a token that ends it, such as {eos!r}" if eos else "a token that ends it",
        hint="set [train] template = \"chatml\", or end the assistant's turn in the base model's chat_template.jinja",
    )


def ends_otherwise(template: str, after: str, stops: Iterator[str] | list[str]) -> PonensError:
    """The error for a template whose replies end with text that nothing stops at."""
    return PonensError(
        f"the chat template {template!r} ends a reply with what nothing stops at",
        seen=f"{after[:40]!r} after an assistant's words, which is no special token of this tokenizer",
        expected=f"a reply that ends with {' or '.join(map(repr, stops)) or 'a special token'}, where evaluation and "
        "serving stop",
        hint="set [train] template = \"chatml\", or end the assistant's turn in the base model's chat_template.jinja",
    )


def no_end() -> PonensError:
    """The error for a tokenizer that can neither end a text nor fill a batch."""
    return PonensError(
        "the base model's tokenizer has neither a pad nor an eos token",
        seen="tokenizer_config.json without pad_token and eos_token",
        expected="one of them: rows of a batch are filled up with it",
        hint='name one in the base\'s tokenizer_config.json, or set [train] template = "chatml", which brings one',
    )


def no_template(named: list[str]) -> PonensError:
    """The error for a base without a template that would be used where none is named."""
    if named:
        return PonensError(
            "the base model has chat templates by name alone, and none that is the default",
            seen=", ".join(named),
            expected="one in chat_template.jinja, or one of the name default",
            hint='copy one of them to chat_template.jinja in the base\'s folder, or set [train] template = "chatml"',
        )
    return PonensError(
        "the base model's tokenizer has no chat template",
        seen="none in chat_template.jinja, tokenizer_config.json, chat_template.json or processor_config.json",
        expected="a template in one of these",
        hint='set [train] template = "chatml", or use an instruct model',
    )


def _template(spec: TrainSpec, place: Path) -> Iterator[PonensError]:
    own = spec.template == "own"
    text = chat_template.text(place) if own else shipped(spec.template).text
    if text is None:
        yield no_template(chat_template.named(place))
        return
    told = tokens(place)
    if not own and (stop := shipped(spec.template).stop):
        told = Told(
            {**told.special, "eos_token": stop}, {**told.added, **dict.fromkeys(shipped(spec.template).tokens, -1)}
        )
    if not (told.special.get("eos_token") or told.special.get("pad_token")):
        yield no_end()
    if spec.thinking is not None and not knows_thinking(text):
        yield no_thinking(spec.template, spec.thinking)
    yield from _end(spec, text, told)


def no_thinking(template: str, thinking: bool) -> PonensError:
    """The error for a thinking mode that is asked of a template without one."""
    return PonensError(
        f"the chat template {template!r} has no thinking mode",
        seen=f"[train] thinking = {str(thinking).lower()}",
        expected="a template that reads enable_thinking",
        hint="leave [train] thinking out",
    )


def _end(spec: TrainSpec, text: str, told: Told) -> Iterator[PonensError]:
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
        yield ends_with_nothing(spec.template, eos)
    elif not ending.end_tokens(after, [*told.added, *([eos] if eos else [])]):
        yield ends_otherwise(spec.template, after, [eos] if eos else [])


def _modules(spec: TrainSpec, place: Path) -> Iterator[PonensError]:
    if spec.method == "full":
        return
    layers, tied = Layers(place), models.config(spec.base_model, spec.revision).get("tie_word_embeddings")
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


def _content(token: Any) -> str:
    return str(token["content"] if isinstance(token, dict) else token)


def _json(file: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
