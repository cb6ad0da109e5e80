"""What comes back from a teacher, whole: one vocabulary for all providers. What is not whole is a fault."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from storage.ledger import Outcome
from tasks.clients.faults import Unfinished
from tasks.clients.secrets import unkeyed
from tasks.clients.usage import Usage, read

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

Ending = Literal["whole", "cut", "refused"]
_ENDINGS: dict[str, Ending] = {
    # The model ended its turn: OpenAI's word, LoRAX's and Together's, TGI's, Anthropic's, Cohere's. A stop sequence
    # is the server's own end of a turn, for none is sent.
    **dict.fromkeys(("stop", "eos", "eos_token", "end_turn", "stop_sequence", "complete", "completed"), "whole"),
    # The limit of the reply, or of the context: OpenAI's, Anthropic's and Gemini's, Mistral's.
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "max_completion_tokens", "model_length"), "cut"),
    "model_context_window_exceeded": "cut",
    # A filter spoke: OpenAI's and Azure's, Zhipu's, Gemini's, Anthropic's, Bedrock's. Asking again gives the same.
    **dict.fromkeys(("content_filter", "content_filtered", "sensitive", "refusal", "guardrail_intervened"), "refused"),
    **dict.fromkeys(("safety", "recitation", "blocklist", "prohibited_content", "spii"), "refused"),
}
# All else is a reply broken off: tool_calls and function_call (it waits for a tool that nobody offers), abort, error,
# insufficient_system_resource (DeepSeek), network_error (Zhipu), and every word that is not known.
_DAMAGED = re.compile("[\ufffd\ud800-\udfff]")  # half a character, as servers that decode token by token send it


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as the provider gave it; `finish` is its own word for why it ended."""

    text: str
    reasoning: str = ""
    finish: str = ""
    refusal: str = ""
    usage: Usage = field(default_factory=Usage)

    @property
    def outcome(self) -> Outcome:
        """What became of it; a reply that is not whole is `failed`, as `flaw` says."""
        if self.refusal or _ENDINGS.get(_word(self.finish)) == "refused":
            return "refused"
        if _ENDINGS.get(_word(self.finish)) == "cut":
            return "cut"
        if self.flaw:
            return "failed"
        return "answered" if self.text.strip() else "empty"

    @property
    def flaw(self) -> Unfinished | None:
        """Why this is no whole reply; None if it is."""
        return flaw(self.text, self.finish, self.usage)


def ending(finish: str, usage: Usage) -> Ending | None:
    """How a reply ended by the server's word; None if it broke off. No word is an end where tokens are billed."""
    word = _word(finish)
    if word in ("", "null", "none"):
        return "whole" if usage.out else None
    return _ENDINGS.get(word)


def _word(finish: str) -> str:
    """A word for the end in one spelling: gateways write content-filter, FinishReason.STOP and FINISH_REASON_STOP."""
    word = finish.strip().lower().replace("-", "_")
    return word.removeprefix("finishreason.").removeprefix("finish_reason_")


def flaw(text: str, finish: str, usage: Usage) -> Unfinished | None:
    """Why a text is no whole reply; None if it is, or if it was cut or refused, which is an outcome of its own."""
    how = ending(finish, usage)
    if how is None:
        word = f"finish_reason {finish!r}" if finish else "no finish_reason"
        return Unfinished("unfinished reply", f"{word} after {text[-60:]!r}")
    if how == "whole" and (damage := _DAMAGED.search(text)):
        around = text[max(0, damage.start() - 20) : damage.end() + 20].encode("utf-8", "replace").decode()
        return Unfinished("damaged reply", f"half a character (U+FFFD) in {around!r}")
    return None


def text_in(message: Mapping[str, Any]) -> str:
    """What a message says, be it a string or parts."""
    content = message.get("content")
    return content if isinstance(content, str) else _parts(content, "text", "output_text")


def thought_in(message: Mapping[str, Any]) -> str:
    """What was thought before: `reasoning_content` of most servers, `reasoning` of some, parts of Mistral's."""
    fields = (message.get(name) for name in ("reasoning_content", "reasoning"))
    told = next((text for text in fields if isinstance(text, str) and text), "")
    return told or _parts(_listed(message), "thinking", "reasoning")


def refusal_in(message: Mapping[str, Any]) -> str:
    """The words of a refusal: a field of its own at OpenAI, or a part of the content."""
    told = message.get("refusal")
    return told if isinstance(told, str) else _parts(_listed(message), "refusal")


def _listed(message: Mapping[str, Any]) -> object:
    content = message.get("content")
    return content if isinstance(content, list) else None


def _parts(content: object, *kinds: str) -> str:
    """The text of those parts of a content that are of these kinds; a part that names none is text."""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        content = [content]
    listed = content if isinstance(content, list) else []
    chosen = [{"text": part} if isinstance(part, str) else part for part in listed if isinstance(part, str | Mapping)]
    named = ((part.get("type") or "text", part) for part in chosen)
    return "".join(_parts(part.get("text") or part.get(kind), "text", *kinds) for kind, part in named if kind in kinds)


def extract(message: AIMessage) -> Reply:
    """The reply in a LangChain message, whichever provider it came from."""
    extra, about = message.additional_kwargs, message.response_metadata
    return Reply(
        text=unkeyed(str(message.text)),
        reasoning=unkeyed(str(extra.get("reasoning_content") or "")).encode("utf-8", "replace").decode(),
        finish=str(about.get("finish_reason") or ""),
        refusal=unkeyed(str(extra.get("refusal") or "")),
        usage=read(about.get("token_usage") or _usage(message)),
    )


def _usage(message: AIMessage) -> Mapping[str, Any] | None:
    """LangChain's counts under the providers' names."""
    if (told := message.usage_metadata) is None:
        return None
    return {
        **told,
        "output_tokens_details": {"reasoning_tokens": (told.get("output_token_details") or {}).get("reasoning")},
        "input_tokens_details": {"cached_tokens": (told.get("input_token_details") or {}).get("cache_read")},
    }
