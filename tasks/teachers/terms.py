"""What asking a teacher is agreed on: the settings, a price, a request, and the tally of one go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from storage.ledger import Entry, Tokens, request_key
from storage.records import Message, digest
from tasks.teachers.build import TeacherSpec, model_name


class Price(BaseModel):
    """Price of a million tokens, in whatever currency the user thinks in."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    sent: float = Field(alias="in", ge=0)
    out: float = Field(ge=0)

    def of(self, tokens: Tokens) -> float:
        return (tokens.sent * self.sent + tokens.out * self.out) / 1e6


class AskSpec(TeacherSpec):
    """How to ask: what is tried again, when to stop, and what it may cost."""

    max_attempts: int = Field(default=12, ge=1, description="Calls for one request before it is left unanswered.")
    deadline: float = Field(default=600.0, gt=0, description="Seconds for one request, all its calls together.")
    first_wait: float = Field(default=0.5, ge=0, description="Seconds before the second call; it doubles from there.")
    requests_per_minute: int | None = Field(default=None, ge=1, description="Most requests begun in any minute.")
    tokens_per_minute: int | None = Field(default=None, ge=1, description="Most tokens, sent and made, in any minute.")
    longest_wait: float = Field(default=30.0, ge=0, description="Longest wait between two calls, in seconds.")
    max_cost: float | None = Field(default=None, ge=0, description="Stop, resumably, at this cost; needs a price.")
    max_requests: int | None = Field(default=None, ge=0, description="Stop, resumably, after so many requests.")
    prices: dict[str, Price] = Field(default_factory=dict, description="Price of each model per million tokens.")
    again: bool = Field(default=False, description="Ask again for replies that were cut or refused.")

    @property
    def free(self) -> bool:
        """True if asking again costs nothing."""
        return self.teacher == "embedded"

    @property
    def price(self) -> Price | None:
        """None where it is unknown; what runs in this process is not paid for."""
        return Price(sent=0, out=0) if self.teacher in ("embedded", "vllm") else self.prices.get(self.model)

    @property
    def sampling(self) -> dict[str, object]:
        """What shapes a reply besides the messages."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "thinking": self.thinking,
            "thinking_budget": self.thinking_budget,
            "seed": self.seed,
        }


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to ask; `key` is its identity in the ledger, `digest` that of its messages."""

    key: str
    messages: tuple[Message, ...]
    digest: str
    sample: int


def request(spec: AskSpec, messages: Iterable[Message], sample: int) -> Request:
    """The request for the `sample`-th reply to `messages`."""
    messages = tuple(messages)
    content = digest([m.dict() for m in messages])
    return Request(request_key(model_name(spec), content, spec.sampling, sample), messages, content, sample)


@dataclass
class Tally:
    """What happened in one go. `left` were not asked because a limit was reached first."""

    asked: int = 0
    from_ledger: int = 0
    left: int = 0
    limit: str = ""
    tokens: Tokens = field(default_factory=Tokens)
    spent: float | None = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    in_hand: int = 0

    def add(self, entry: Entry) -> None:
        self.asked += 1
        self.outcomes[entry.outcome] += 1
        self.pay(entry)

    def pay(self, entry: Entry) -> None:
        self.tokens += entry.tokens
        if self.spent is not None and entry.tokens != Tokens():
            self.spent = None if entry.cost is None else self.spent + entry.cost
