"""What a client can ask for, and how it is asked: the base, or an adapter as its manifest says.

base(folder, name)                the base model's own template, stops and sampling
adapter(version, base)            the adapter's, where they differ from the base's; Refusal if it cannot be served
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from prompts import ending
from storage import chat_template
from storage.adapters import versions as adapters
from storage.adapters.folder import AdapterFolder
from storage.adapters.peft_folder import look
from storage.adapters.versions import Adapter
from storage.records import PonensError
from tasks.serve.errors import Refusal, why
from tasks.tokenizing import tokenizer_files

_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
_SMALL = _SAMPLING[:2]  # what the small engine draws by
_CHOICE = "choice/"


@dataclass(frozen=True, slots=True)
class Model:
    """One model as a client names it.

    `template` is what the engine is told to render with, None for its own; `words` are the prompts by language that
    a question is put into; `defaults` are sampling values of requests that bring none; `limit` the longest reply in
    tokens then; `stops` token ids that end a reply beside the tokenizer's own; `marks` the special tokens by which
    a text is known to be rendered already.
    """

    name: str
    template: str | None = None
    system: str | None = None
    thinking: bool | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    limit: int | None = None
    stops: tuple[int, ...] = ()
    marks: tuple[str, ...] = ()
    choice: bool = True

    @property
    def rendering(self) -> dict[str, Any]:
        """What a request to the engine says of the template."""
        found: dict[str, Any] = {"chat_template": self.template} if self.template else {}
        if self.thinking is not None:
            found["chat_template_kwargs"] = {"enable_thinking": self.thinking}
        return found


@dataclass(frozen=True, slots=True)
class Base:
    """The base model's files: what of them shapes a request."""

    name: str
    folder: Path
    identity: str
    text: str | None
    eos: int | None
    context: int | None
    model: Model


def base(folder: Path, name: str, identity: str, longest: int | None = None, *, small: bool = False) -> Base:
    """Read a base model's folder; no weights. `longest` is the context that it is served with, if not its own.

    `small` is whether the small engine serves it, which draws by temperature and top_p alone.
    """
    config, settings = _json(folder / "config.json"), _json(folder / "generation_config.json")
    known = _SMALL if small else _SAMPLING
    drawn = {key: settings[key] for key in known if settings.get("do_sample") and settings.get(key) is not None}
    eos, text = _eos(folder), chat_template.text(folder)
    named = _ids(config.get("eos_token_id"))
    stops = {*_stops(folder, named), *named} - {eos}
    # engines look for a template where tokenizers keep theirs
    plain = (folder / "chat_template.jinja").is_file() or "chat_template" in _json(folder / "tokenizer_config.json")
    told = None if plain else text
    model = Model(name, told, defaults=drawn, stops=tuple(sorted(stops)), marks=_marks(folder))
    context = longest or config.get("max_position_embeddings")
    return Base(name, folder, identity, text, eos, context, model)


def adapter(version: Adapter, base: Base, most_rank: int, *, merges: bool) -> Model:
    """How an adapter is asked. Refusal, naming it, if it is damaged, of another base, or nothing the engine can apply.

    `merges` is whether the engine adds an adapter's weights to the base's before it runs; one that does not knows
    low ranks only, up to `most_rank`.
    """
    try:
        about, folder = adapters.about(version), AdapterFolder(version.folder)
        if not folder.is_full_model:
            look(folder.path)
        if not merges and (rank := folder.rank) > most_rank:
            raise _unusable(version, f"rank {rank} is above {most_rank}, for which the server was started; restart")
        if not merges and (apart := folder.not_on_the_fly):
            reason = f"vLLM cannot apply it on the fly ({', '.join(apart)}); "
            raise _unusable(version, reason + "export it with --merge and serve that as a base")
    except (PonensError, OSError, ValueError) as error:
        raise _unusable(version, why(error) if isinstance(error, PonensError) else type(error).__name__) from None
    if about.get("base_identity") not in (None, base.identity):
        raise _unusable(version, f"it was trained on another base model than {base.name}")
    return _model(version, about, base)


def _model(version: Adapter, about: Mapping[str, Any], base: Base) -> Model:
    told, inference = about.get("rendering") or {}, about.get("inference") or {}
    text = chat_template.text(version.folder)
    if told and text is not None and told["template_sha256"] != hashlib.sha256(text.encode()).hexdigest():
        raise _unusable(version, "its folder holds another template than it was trained with")
    own = _eos(version.folder)
    stops = {*base.model.stops, *_stops(version.folder, {*base.model.stops}), *([] if own is None else [own])} - {
        base.eos
    }
    return Model(
        str(version),
        template=text if text != base.text else None,
        system=told.get("system"),
        thinking=told.get("thinking"),
        words=inference.get("question") or {},
        # what the base's makers would draw with is not what the adapter was made for
        defaults={"temperature": inference.get("temperature", 0.0), "top_p": inference.get("top_p", 1.0)},
        limit=_least(inference.get("max_new_tokens"), base.context),
        stops=tuple(sorted(stops)),
        marks=_marks(version.folder) or base.model.marks,
        choice=str(about.get("prompt") or _CHOICE).startswith(_CHOICE),
    )


def _unusable(version: Adapter, reason: str) -> Refusal:
    return Refusal(422, f"adapter {version} cannot be served: {reason}", code="adapter_unusable", param="model")


def _json(file: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _stops(folder: Path, base: Collection[int] = ()) -> set[int]:
    """Where replies end by what lies in a folder: its generation settings, and the token of its chat template.

    That token is left out if the template goes on with one that is a stop already, of the folder or of the `base`.
    """
    found = _ids(_json(folder / "generation_config.json").get("eos_token_id"))
    told, text = tokenizer_files.tokens(folder), chat_template.text(folder)
    if text is None:
        return found
    own = told.added.get(told.special.get("eos_token", ""))
    known = [name for name, id in told.added.items() if id in {*found, *base, own}]
    try:
        after = ending.after_reply(ending.writer(text, told.special))
    except Exception:  # a template raises what it likes
        after = None
    joins = ending.joining(after or "", told.added, known)
    return found | ({told.added[joins]} if joins else set())


def _special(folder: Path) -> list[dict[str, Any]]:
    return [t for t in _json(folder / "tokenizer.json").get("added_tokens", []) if t.get("special")]


def _eos(folder: Path) -> int | None:
    told = _json(folder / "tokenizer_config.json").get("eos_token")
    name = told.get("content") if isinstance(told, dict) else told
    return next((int(t["id"]) for t in _special(folder) if t["content"] == name), None)


def _marks(folder: Path) -> tuple[str, ...]:
    return tuple(t["content"] for t in _special(folder))


def _least(limit: int | None, context: int | None) -> int | None:
    return min(limit, context) if limit and context else limit


def _ids(value: Any) -> set[int]:
    return set(value) if isinstance(value, list) else {value} if isinstance(value, int) else set()
