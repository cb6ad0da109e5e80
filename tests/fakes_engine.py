"""An engine without a model: replies follow from the request, and it can fall over half way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from storage.records import seed_of
from tasks.engines.interface import Completion, Request

Rule = Callable[[Request], str]


def always(text: str) -> Rule:
    return lambda request: text


def drawn(shares: dict[str, float]) -> Rule:
    """A reply to its share of the seeds; the greedy and the forced one are the likeliest."""

    def rule(request: Request) -> str:
        place = seed_of("draw", request.seed) / 0x7FFFFFFF if request.temperature else 0.0
        for text, share in shares.items():
            place -= share
            if place < 0:
                return text
        return text

    return rule


class FakeEngine:
    """Answers by a rule for each subject, in the order asked; `asked` is what it was asked."""

    def __init__(self, rules: dict[str, Rule], *, dies_after: int | None = None) -> None:
        self.rules, self.dies_after = rules, dies_after
        self.asked: list[Request] = []
        self.facts: dict[str, Any] = {"engine": "fake"}
        self.together = True
        self.closed = False

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        for request in requests:
            if self.dies_after is not None and len(self.asked) >= self.dies_after:
                raise KeyboardInterrupt
            self.asked.append(request)
            text = request.letters[0] if request.letters else self.rules[request.subject](request)
            yield Completion(request.key, text, "stop", len(text))

    def close(self) -> None:
        self.closed = True
