"""What a call was billed for, as far as the server says so: the rest is estimated from the texts.

usage = read({"total_tokens": 120})
tokens, estimated = settle(usage, sent=80.0, out=30.0)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from storage.ledger import Tokens
from storage.records import Message


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as a server counts them; None where it does not say. `total` is of both directions."""

    sent: int | None = None
    out: int | None = None
    total: int | None = None
    reasoning: int = 0
    cached: int = 0


def read(told: object) -> Usage:
    """Any provider's `usage`, under OpenAI's names or DashScope's; whatever is no count is not known.

    Some servers count the thinking beside the reply (their total is the sum of three): it is billed as reply.
    """
    if not isinstance(told, Mapping):
        return Usage()
    sent, out = _count(told, "prompt_tokens", "input_tokens"), _count(told, "completion_tokens", "output_tokens")
    total = _count(told, "total_tokens")
    reasoning = _part(told, "reasoning_tokens", "completion_tokens_details", "output_tokens_details")
    cached = _part(told, "cached_tokens", "prompt_tokens_details", "input_tokens_details")
    if sent is not None and out is not None and reasoning and total == sent + out + reasoning:
        out += reasoning
    return Usage(sent, out, total, min(reasoning, out or 0), min(cached, sent or 0))


def settle(usage: Usage, sent: float, out: float) -> tuple[Tokens, bool]:
    """The tokens of a call, and whether any of them is an estimate; `sent` and `out` are guesses from the texts.

    A zero is no count where there was a text. A total alone is shared out as the guesses are.
    """
    known_sent = usage.sent or None
    known_out = usage.out if usage.out or not out else None
    if usage.total:
        if known_sent is not None and known_out is None and usage.total > known_sent:
            known_out = usage.total - known_sent
        elif known_out is not None and known_sent is None and usage.total > known_out:
            known_sent = usage.total - known_out
    if known_sent is not None and known_out is not None:
        return Tokens(known_sent, known_out, usage.reasoning, usage.cached), False
    if usage.total and known_sent is None and known_out is None:
        whole = usage.total / max(1.0, sent + out)
        sent, out = sent * whole, out * whole
    return Tokens(
        round(sent) if known_sent is None else known_sent, round(out) if known_out is None else known_out
    ), True


def guess(text: str) -> float:
    """About four characters a token in Latin script, one and a half in others."""
    latin = sum(map(str.isascii, text))
    return latin / 4 + (len(text) - latin) / 1.5


def guess_of(messages: Iterable[Message]) -> int:
    """What a prompt is likely billed for, the template's own tokens among them."""
    return round(guess("".join(message.content for message in messages))) + 10


def _count(told: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        try:
            count = int(told[name])
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        if count >= 0 and not isinstance(told[name], bool):
            return count
    return None


def _part(told: Mapping[str, Any], name: str, *places: str) -> int:
    parts = [told[place] for place in places if isinstance(told.get(place), Mapping)]
    return next((count for part in [*parts, told] if (count := _count(part, name)) is not None), 0)
