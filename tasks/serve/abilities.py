"""What the small engine can do of a request in OpenAI's words: the rest is refused by name, never passed over.

unable({"messages": [...], "logprobs": True})    "logprobs"
unable({"messages": [...], "logprobs": False})   None
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

# what it does, and the notes that a client leaves for a provider's own books, which change no reply
_DONE = frozenset((
    "model", "messages", "prompt", "n", "temperature", "top_p", "seed", "max_tokens", "max_completion_tokens", "stop",
    "stop_token_ids", "include_stop_str_in_output", "stream", "stream_options", "chat_template", "chat_template_kwargs",
    "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
    "parallel_tool_calls",
))  # fmt: skip
# values by which a field asks for what happens anyway
_IDLE: dict[str, tuple[Any, ...]] = {
    "best_of": (1,), "frequency_penalty": (0,), "presence_penalty": (0,), "repetition_penalty": (1,), "top_k": (0, -1),
    "min_p": (0,), "tool_choice": ("none", "auto"), "function_call": ("none", "auto"), "modalities": (["text"],),
    "response_format": ({"type": "text"},), "skip_special_tokens": (True,), "add_generation_prompt": (True,),
    "spaces_between_special_tokens": (True,), "length_penalty": (1,), "logprobs": (),
}  # fmt: skip
_NOTHING: tuple[Any, ...] = (None, False, "", [], {})
_BY_ITSELF = ("web_search_options",)  # asks by being there, be it empty


def unable(body: Mapping[str, Any], stops: Collection[int] = ()) -> str | None:
    """The first field that asks for what the small engine cannot do; `stops` are the tokens that it ends at anyway."""
    for name, value in body.items():
        idle = _IDLE.get(name, ())
        off = value is False and _is(True, idle)  # what happens anyway is not wanted
        nothing = (None,) if name in _BY_ITSELF or off else _NOTHING
        if name in _DONE or _is(value, nothing) or _is(value, idle):
            continue
        return name
    wanted = body.get("stop_token_ids") or []
    return None if set(wanted) <= {*stops} else "stop_token_ids"


def _is(value: Any, known: tuple[Any, ...]) -> bool:
    # 0 is not False here: `logprobs: 0` asks for the log-probability of each token
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in known)
