"""LoRAX's form of asking: `/generate` and `/generate_stream`, as its client sends and reads them.

{"inputs": "A question …", "parameters": {"adapter_id": "logic/3", "max_new_tokens": 64, "details": true}}

Sources: LoRAX's openapi.json and the types of lorax-client 0.6. Of its parameters those are served that have a
meaning here; the others are refused by name rather than passed over.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.serve.errors import Refusal
from tasks.serve.model import Model

_UNSERVED = ("merged_adapters", "typical_p", "watermark", "decoder_input_details", "return_k_alternatives")
_REASONS = {"length": "length", "stop": "eos_token"}


class Parameters(BaseModel):
    """LoRAX's parameters; `max_new_tokens` is by default what the adapter was made for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    adapter_id: str | None = None
    adapter_source: str | None = None
    api_token: str | None = None
    do_sample: bool = False
    max_new_tokens: int | None = Field(None, ge=1)
    ignore_eos_token: bool = False
    best_of: int | None = Field(None, ge=1, le=1)
    repetition_penalty: float | None = Field(None, gt=0)
    return_full_text: bool | None = False
    seed: int | None = Field(None, ge=0, lt=1 << 63)
    stop: list[str] = Field([], max_length=16)
    temperature: float | None = Field(None, ge=0)
    top_k: int | None = Field(None, ge=1)
    top_p: float | None = Field(None, gt=0, le=1)
    truncate: int | None = Field(None, ge=1)
    details: bool = False
    response_format: dict[str, Any] | None = None


class Asked(BaseModel):
    """One request."""

    model_config = ConfigDict(extra="forbid", strict=True)

    inputs: str = Field(min_length=1)
    parameters: Parameters = Field(default_factory=Parameters)
    stream: bool = False


def asked(body: Mapping[str, Any]) -> Asked:
    """Read a request. Refusal 422, naming the parameter, for one that cannot be served."""
    given = body.get("parameters")
    if isinstance(given, dict):
        if found := next((name for name in _UNSERVED if given.get(name)), None):
            raise Refusal(422, f"{found} is not served here", param=found)
        body = {**body, "parameters": {k: v for k, v in given.items() if k not in _UNSERVED}}
    elif given is None:
        body = {key: value for key, value in body.items() if key != "parameters"}
    try:
        wanted = Asked.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])[:200]
        raise Refusal(422, f"{where}: {first['msg']}", param=where) from None
    if wanted.parameters.adapter_source not in (None, "local"):
        raise Refusal(
            422, "adapter_source is local here: adapters come from this server's home", param="adapter_source"
        )
    return wanted


def completion(
    model: Model, wanted: Asked, prompt: str | list[int], context: int | None, *, tokens: bool = True
) -> dict[str, Any]:
    """The engine's request for a completion with the tokens and their log-probabilities, if it gives `tokens`.

    Refusal 422 for details where it gives none. A reply is as long as the request says, or the adapter's manifest,
    or else as the `context` has room for.
    """
    p = wanted.parameters
    if p.details and not tokens:
        raise Refusal(422, "details need log-probabilities: this server runs without vLLM", param="details")
    sampled = p.do_sample or any(value is not None for value in (p.temperature, p.top_k, p.top_p))
    chosen = {
        "temperature": (1.0 if p.temperature is None else p.temperature) if sampled else 0.0,
        "top_p": p.top_p,
        "top_k": p.top_k,
        "seed": p.seed,
        "repetition_penalty": p.repetition_penalty,
        "stop": p.stop or None,
        "max_tokens": p.max_new_tokens or model.limit or context,
        "truncate_prompt_tokens": p.truncate,
        "ignore_eos": p.ignore_eos_token or None,
        "stop_token_ids": None if p.ignore_eos_token else list(model.stops) or None,
        "response_format": _schema(p.response_format),
    }
    asked = {name: value for name, value in chosen.items() if value is not None}
    wish = {"logprobs": 0, "return_token_ids": True, "include_stop_str_in_output": True} if tokens else {}
    return {**asked, "prompt": prompt, **wish}


def generated(reply: Mapping[str, Any], wanted: Asked, marks: tuple[str, ...]) -> dict[str, Any]:
    """The engine's completion in LoRAX's form."""
    choice, p = reply["choices"][0], wanted.parameters
    text = (wanted.inputs if p.return_full_text else "") + choice["text"]
    if not p.details:
        return {"generated_text": text}
    told = {
        **_details(choice, reply["usage"], p),
        "prefill": [],
        "tokens": _tokens(choice, marks),
        "best_of_sequences": None,
    }
    return {"generated_text": text, "details": told}


async def streamed(
    chunks: AsyncIterator[dict[str, Any]], wanted: Asked, marks: tuple[str, ...]
) -> AsyncIterator[bytes]:
    """The engine's stream as LoRAX's events: one a token, the last with the whole text."""
    usage: dict[str, Any] = {}
    text, last, ended = "", None, None
    async for chunk in chunks:
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            text += choice["text"]
            ended = choice if choice.get("finish_reason") else ended
            for token in _tokens(choice, marks) or _piece(choice):
                if last is not None:
                    yield _event({"token": last, "generated_text": None, "details": None})
                last = token
    full = (wanted.inputs if wanted.parameters.return_full_text else "") + text
    told = _details(ended, usage, wanted.parameters) if ended else None
    nothing = {"id": 0, "text": "", "logprob": 0.0, "special": True}
    yield _event({"token": last or nothing, "generated_text": full, "details": told})


def _details(choice: Mapping[str, Any], usage: Mapping[str, Any], p: Parameters) -> dict[str, Any]:
    stopped = isinstance(choice.get("stop_reason"), str)
    return {
        "finish_reason": "stop_sequence" if stopped else _REASONS.get(choice["finish_reason"], "eos_token"),
        "prompt_tokens": usage.get("prompt_tokens", 0),
        "generated_tokens": usage.get("completion_tokens", 0),
        "seed": p.seed,
    }


def _tokens(choice: Mapping[str, Any], marks: tuple[str, ...]) -> list[dict[str, Any]]:
    """The tokens of a reply, or of a part of one. What clients put together of their texts is the reply's text."""
    ids, found = choice.get("token_ids") or [], choice.get("logprobs") or {}
    names, values = found.get("tokens") or [], found.get("token_logprobs") or []
    special = [name in marks for name in names]
    texts = [*names]
    if "".join(name for name, s in zip(names, special, strict=True) if not s) != choice["text"]:
        last = max((i for i, s in enumerate(special) if not s), default=-1)  # letters of several tokens
        pieces = [choice["text"] if i == last else "" for i in range(len(names))]
        texts = [name if s else piece for name, piece, s in zip(names, pieces, special, strict=True)]
    return [
        {"id": id, "text": text, "logprob": value if value is not None else 0.0, "special": s}
        for id, text, value, s in zip(ids, texts, values, special, strict=False)
    ]


def _piece(choice: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A part of a reply of which the engine does not say the tokens, as one."""
    text = choice["text"]
    return [{"id": 0, "text": text, "logprob": 0.0, "special": False}] if text else []


def _schema(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if given is None:
        return None
    return {"type": "json_schema", "json_schema": {"name": "reply", "schema": given.get("schema") or {}}}


def _event(content: Mapping[str, Any]) -> bytes:
    return b"data:" + orjson.dumps(content) + b"\n\n"
