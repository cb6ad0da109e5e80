"""A client's request -> the engine's: the adapter's words, system prompt, template and sampling are put in.

    {"model": "logic@champion", "messages": [{"role": "user", "content": "A question …"}]}

What a client says itself stands. A question is the first thing that a user says; where it brings the adapter's
words along, it is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prompts.lettered import parted
from prompts.turns import around, placed
from storage.records import language_of
from tasks.serve.errors import Refusal
from tasks.serve.model import Model

MOST_MESSAGES = 1024
MOST_REPLIES = 64
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
# what would change how this server renders, reads files or holds memory, and is nobody's business but its own
_OURS = (
    "chat_template", "media_io_kwargs", "mm_processor_kwargs", "kv_transfer_params", "ec_transfer_params", "request_id",
    "priority", "cache_salt", "vllm_xargs", "logits_processors", "lora_path",
)  # fmt: skip
_OBJECTS = ("structured_outputs", "response_format", "stream_options", "chat_template_kwargs")


@dataclass(frozen=True, slots=True)
class Wish:
    """The extension of a request, its field "ponens".

    `votes` replies are drawn and counted; `like` asks the base as the adapter of that name is asked; `raw` leaves a
    text or a conversation as it is.
    """

    votes: int = 0
    like: str | None = None
    raw: bool = False


def wish(body: Mapping[str, Any]) -> Wish:
    """Read it. Refusal 400 for what it does not know."""
    given = body.get("ponens")
    if given is None:
        return Wish()
    if not isinstance(given, dict) or (unknown := given.keys() - {"votes", "like", "raw"}):
        seen = ", ".join(sorted(unknown)) if isinstance(given, dict) else type(given).__name__
        raise Refusal(400, f"ponens has votes, like and raw; seen: {seen[:100]}", param="ponens")
    votes, like, raw = given.get("votes", 0), given.get("like"), given.get("raw", False)
    if type(votes) is not int or not 0 <= votes <= MOST_REPLIES:
        raise Refusal(400, f"ponens.votes is a number from 1 to {MOST_REPLIES}", param="ponens")
    if not isinstance(raw, bool) or not isinstance(like, str | None):
        raise Refusal(400, "ponens.raw is true or false, ponens.like a model's name", param="ponens")
    return Wish(votes, like, raw)


def checked(body: Mapping[str, Any]) -> None:
    """Refusal 400 for what no engine should see."""
    if found := next((name for name in _OURS if body.get(name) is not None), None):
        raise Refusal(400, f"{found} cannot be set by a request", param=found)
    n = body.get("n")
    if n is not None and (type(n) is not int or not 1 <= n <= MOST_REPLIES):
        raise Refusal(400, f"n is a number from 1 to {MOST_REPLIES}", param="n")
    if not isinstance(body.get("stream"), bool | None):
        raise Refusal(400, "stream is true or false", param="stream")
    # vLLM's own check of these falls over what is no object
    if found := next((name for name in _OBJECTS if not isinstance(body.get(name), dict | None)), None):
        raise Refusal(400, f"{found} is an object", param=found)


def conversation(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages. Refusal 400 if they are none, or hold more than text."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not 1 <= len(messages) <= MOST_MESSAGES:
        raise Refusal(400, f"messages is a list of 1 to {MOST_MESSAGES} messages", param="messages")
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise Refusal(400, f"a message is an object whose role is one of {', '.join(_ROLES)}", param="messages")
        said = message.get("content")
        parts = said if isinstance(said, list) else []
        if not isinstance(said, str | list | None) or not all(_text(part) for part in parts):
            raise Refusal(400, "a message's content is text", param="messages")
    return messages


def prompt(body: Mapping[str, Any]) -> str | list[Any]:
    """A completion's prompt: a text, tokens, or a list of either. Refusal 400 for anything else."""
    given = body.get("prompt")
    if isinstance(given, str) and given:
        return given
    one = given if isinstance(given, list) and given and isinstance(given[0], list | str) else [given]
    if not 1 <= len(one) <= MOST_REPLIES or not all(_prompt(part) for part in one):
        said = f"prompt is a text, a list of tokens, or a list of 1 to {MOST_REPLIES} of these"
        raise Refusal(400, said, param="prompt")
    assert isinstance(given, list)
    return given


def chat(model: Model, body: Mapping[str, Any], *, raw: bool = False) -> dict[str, Any]:
    """The body of a chat completion for the engine; its `model` is left to the caller."""
    messages = conversation(body)
    if not raw:
        messages = introduced(model, worded(model, messages))
    sent = {**body, "messages": messages, **sampling(model, body)}
    sent.pop("ponens", None)
    told = model.rendering
    if kwargs := body.get("chat_template_kwargs"):
        told["chat_template_kwargs"] = {**kwargs, **told.get("chat_template_kwargs", {})}
    return sent | told


def sampling(model: Model, body: Mapping[str, Any]) -> dict[str, Any]:
    """The model's own values where the request has none, and where a reply ends."""
    found = {name: value for name, value in model.defaults.items() if body.get(name) is None}
    if model.limit and body.get("max_tokens") is None and body.get("max_completion_tokens") is None:
        found["max_tokens"] = model.limit
    if model.stops:
        given = body.get("stop_token_ids") or []
        if not isinstance(given, list):
            raise Refusal(400, "stop_token_ids is a list of numbers", param="stop_token_ids")
        found["stop_token_ids"] = [*given, *model.stops]
    return found


def question(messages: list[dict[str, Any]]) -> str:
    """What the user says last; "" if nothing."""
    return next((_said(m) for m in reversed(messages) if m["role"] == "user"), "")


def worded(model: Model, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages with the first of the user's put into the words that the adapter learnt."""
    place = next((i for i, m in enumerate(messages) if m["role"] == "user"), None)
    if not model.words or place is None:
        return messages
    asked = _said(messages[place]).strip()
    template = model.words.get(language_of(asked), "{question}")
    words = around(template)
    if not words or all(part in asked for part in words):
        return messages
    question, options = parted(asked) if "{options}" in template else (asked, "")
    first = {**messages[place], "content": placed(template, question, options)}
    return [*messages[:place], first, *messages[place + 1 :]]


def introduced(model: Model, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages with the adapter's system prompt before them, unless they bring one."""
    if model.system is None or messages[0]["role"] in ("system", "developer"):
        return messages
    return [{"role": "system", "content": model.system}, *messages]


def rendered(model: Model, text: str) -> bool:
    """Whether a text holds the template's tokens already."""
    return any(mark in text for mark in model.marks)


def _prompt(part: object) -> bool:
    tokens = isinstance(part, list) and bool(part) and all(type(token) is int for token in part)
    return tokens or (isinstance(part, str) and bool(part))


def _text(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


def _said(message: Mapping[str, Any]) -> str:
    said = message.get("content")
    return "\n".join(part["text"] for part in said) if isinstance(said, list) else said or ""
