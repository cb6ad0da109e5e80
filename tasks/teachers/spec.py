"""What asking a teacher is agreed on: the settings, a price, a request, and the tally of one go."""

from __future__ import annotations

import functools
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storage.ledger import Entry, Tokens, request_key
from storage.records import Message, UsageError, digest
from tasks.clients.faults import remedy
from tasks.teachers.build import TeacherSpec, model_name


class Price(BaseModel):
    """Price of a million tokens, in whatever currency the user thinks in."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    sent: float = Field(alias="in", ge=0, description="A million tokens of prompt.")
    out: float = Field(ge=0, description="A million tokens of reply, reasoning among them.")
    cached: float | None = Field(
        default=None, ge=0, description="A million tokens of prompt from the cache; else as in."
    )

    def of(self, tokens: Tokens) -> float:
        cached = self.sent if self.cached is None else self.cached
        return ((tokens.sent - tokens.cached) * self.sent + tokens.cached * cached + tokens.out * self.out) / 1e6


@functools.cache
def listed(file: Path) -> dict[str, Price]:
    """The prices in a TOML file: a table a model, with `in`, `out` and perhaps `cached`. UsageError if it is none."""
    try:
        return {name: Price.model_validate(price) for name, price in tomllib.loads(file.read_text("utf-8")).items()}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise UsageError(
            f"the price file {file} cannot be read",
            seen=error,
            expected='a TOML table a model, such as ["qwen-plus"] with in = 0.8, out = 2.0',
        ) from None


class Limits(BaseModel):
    """What is tried again when asking, when to stop, and what it may cost."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_attempts: int = Field(default=12, ge=1, description="Calls for one request before it is left unanswered.")
    deadline: float = Field(default=600.0, gt=0, description="Seconds for one request, all its calls together.")
    first_wait: float = Field(default=0.5, ge=0, description="Seconds before the second call; it doubles from there.")
    requests_per_minute: int | None = Field(default=None, ge=1, description="Most requests begun in any minute.")
    tokens_per_minute: int | None = Field(default=None, ge=1, description="Most tokens, sent and made, in any minute.")
    longest_wait: float = Field(default=30.0, ge=0, description="Longest wait between two calls, in seconds.")
    max_cost: float | None = Field(default=None, ge=0, description="Stop, resumably, at this cost; needs a price.")
    max_requests: int | None = Field(default=None, ge=0, description="Stop, resumably, after so many requests.")
    prices: dict[str, Price] = Field(default_factory=dict, description="Price of each model per million tokens.")
    price_file: Path | None = Field(default=None, description="A TOML file of prices, for models not in `prices`.")
    again: bool = Field(default=False, description="Ask again for replies that were cut or refused.")

    def price_of(self, model: str) -> Price | None:
        """What a model costs; None where it is unknown."""
        return self.prices.get(model) or (listed(self.price_file).get(model) if self.price_file else None)


class AskSpec(TeacherSpec, Limits):
    """Whom to ask and how."""

    @property
    def price(self) -> Price | None:
        """None where it is unknown; what runs in this process is not paid for."""
        if self.provider.local:
            return Price(sent=0, out=0)
        return self.price_of(self.model)

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
    """What happened in one go. `left` were not asked because a limit was reached first.

    `spent` is None once a cost is not known; `likely` is the same with estimates in place of what is not known, and
    is what `max_cost` is held against. `estimated` counts the replies whose tokens are estimates. `causes` are the
    faults that requests ended in, by name: how many, and the words of the latest.
    """

    asked: int = 0
    from_ledger: int = 0
    left: int = 0
    limit: str = ""
    tokens: Tokens = field(default_factory=Tokens)
    estimated: int = 0
    spent: float | None = 0.0
    likely: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    causes: dict[str, tuple[int, str]] = field(default_factory=dict)
    in_hand: int = 0

    def add(self, entry: Entry) -> None:
        self.asked += 1
        self.outcomes[entry.outcome] += 1
        if entry.outcome in ("failed", "empty"):
            name = entry.error or entry.outcome
            self.causes[name] = self.causes.get(name, (0, ""))[0] + 1, entry.detail
        self.pay(entry)

    def __add__(self, other: Tally) -> Tally:
        counts = Counter({name: count for name, (count, _) in self.causes.items()})
        counts.update({name: count for name, (count, _) in other.causes.items()})
        words = {name: detail for one in (self, other) for name, (_, detail) in one.causes.items()}
        return Tally(
            self.asked + other.asked,
            self.from_ledger + other.from_ledger,
            self.left + other.left,
            self.limit or other.limit,
            self.tokens + other.tokens,
            self.estimated + other.estimated,
            None if self.spent is None or other.spent is None else self.spent + other.spent,
            self.likely + other.likely,
            self.outcomes + other.outcomes,
            {name: (count, words[name]) for name, count in counts.items()},
        )

    def pay(self, entry: Entry) -> None:
        self.tokens += entry.tokens
        self.estimated += entry.estimated
        if entry.tokens == Tokens():
            return
        self.likely += Price.model_validate(entry.price).of(entry.tokens) if entry.price else 0.0
        if self.spent is not None:
            self.spent = None if entry.cost is None else self.spent + entry.cost

    def cost(self) -> str:
        """What was spent, for people: a cost that is not known may have an estimate."""
        if self.spent is not None:
            return f"{self.spent:.4f}"
        return f"unknown, {self.likely:.4f} by estimate" if self.likely else "unknown"

    def worst(self) -> tuple[str, str]:
        """The commonest fault, in a line and with what to do about it; two empty texts where there was none."""
        if not self.causes:
            return "", ""
        name, (count, detail) = max(self.causes.items(), key=lambda cause: cause[1][0])
        return f"{count} × {name}: {detail}" if detail else f"{count} × {name}", remedy(name)
