"""A model behind an API answers as any other subject, through the ledger: what was paid for is never asked again.

    requests ──the ledger's own──▶ completions      the rest ──a teacher's client, paced, limited──▶ ledger

Replies are drawn as for any engine (`tasks.evaluate.rounds`), so that early stopping and a kill are as elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from storage.ledger import Entry, Ledger, Tokens
from storage.records import PonensError, UsageError
from storage.tables.samples import Kept
from tasks.clients.secrets import key_of
from tasks.clients.usage import guess_of
from tasks.engines.interface import Completion, Finish, Request
from tasks.evaluate.generation import Decoding, Reply, Subject
from tasks.evaluate.rivals import Rival
from tasks.evaluate.rounds import Asking as Slots
from tasks.kinds.asks import Ask
from tasks.runtime.step import Progress, Secret, Workshop
from tasks.teachers import spec as terms
from tasks.teachers.provider import PROVIDERS
from tasks.teachers.spec import AskSpec, Limits, Tally
from tasks.teachers.stage import Asking

_REPLY = 400  # tokens of a reply, until replies have shown better
_FINISH: dict[str, Finish] = {"answered": "stop", "cut": "length", "refused": "refused"}


class ApiSpec(Limits):
    """The recipe's [evaluate.api]: how models behind an API are asked, and what they may cost."""

    workers: int = Field(32, ge=1, le=512, description="Requests in flight at once.")
    timeout: float = Field(120.0, gt=0, description="Seconds until one call is given up and tried again.")
    thinking: bool | None = Field(None, description="Whether the model thinks first; not sent if empty.")
    thinking_budget: int | None = Field(None, ge=1, description="Most tokens of thinking.")

    def asking(self, rival: Rival, how: Decoding, *, drawn: bool) -> AskSpec:
        """How one model is asked for its votes, or for its greedy reply."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        sampling = {"temperature": how.temperature, "top_p": how.top_p, "seed": how.seed} if drawn else {}
        return AskSpec(
            teacher=rival.provider,
            model=rival.model,
            max_tokens=how.max_tokens,
            **{"temperature": 0.0, **given, **sampling},
        )

    def check(self, rivals: Iterable[Rival]) -> None:
        """UsageError if there is a limit to the cost and a model without a price."""
        if self.max_cost is None:
            return
        for rival in rivals:
            if rival.provider and self.price_of(rival.model) is None:
                raise UsageError(
                    "max_cost needs the model's price",
                    seen=f"no price for {rival.model!r}",
                    expected=f'[evaluate.api.prices."{rival.model}"] with `in` and `out` for a million tokens each, '
                    "or price_file",
                    hint="add the price or leave max_cost away",
                )


def require_keys(rivals: Iterable[Rival], secret: Secret = os.environ.get) -> None:
    """UsageError if the key of an API that is to be asked is not there."""
    for rival in rivals:
        if rival.provider and (variable := PROVIDERS[rival.provider].key):
            key_of(variable, rival.name, secret)


class InLedger:
    """The store of replies that the ledger keeps: nothing is kept twice."""

    def find(self, keys: Collection[str], /) -> dict[str, Kept]:
        """The engine finds them."""
        return {}

    def add(self, kept: Kept, /, **about: Any) -> None:
        """The engine has recorded it."""


@dataclass
class PaidEngine:
    """One model behind an API, as an engine: requests are those of the ledger."""

    rival: Rival
    terms: ApiSpec
    how: Decoding
    ledger: Ledger
    progress: Progress
    secret: Secret = os.environ.get
    entries: dict[str, Entry] = field(default_factory=dict)  # by the ledger's key
    asked: int = 0
    spent: float | None = 0.0  # None once a cost is not known
    together: bool = True

    @property
    def facts(self) -> dict[str, Any]:
        return {"engine": self.rival.provider, "model": self.rival.model}

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Each completion once all are in the ledger. PonensError if one is not to be had, or a limit is met."""
        for drawn in (False, True):
            some = [request for request in requests if (request.temperature > 0) == drawn]
            if some:
                yield from self._answered(self._spec(drawn=drawn), some)

    def close(self) -> None:
        """Nothing is held between two calls."""

    def _spec(self, *, drawn: bool) -> AskSpec:
        """How to ask, with what is left of the limits of all models together."""
        spec = self.terms.asking(self.rival, self.how, drawn=drawn)
        left: dict[str, Any] = {}
        if spec.max_cost is not None:
            left["max_cost"] = max(0.0, spec.max_cost - (self.spent or 0.0))
        if spec.max_requests is not None:
            left["max_requests"] = max(0, spec.max_requests - self.asked)
        return spec.model_copy(update=left)

    def _answered(self, spec: AskSpec, requests: Sequence[Request]) -> Iterator[Completion]:
        wanted = {r.key: terms.request(spec, r.messages, r.seed) for r in requests}
        price = spec.price

        def likely(request: terms.Request) -> float:
            return price.of(_guessed(request, spec, _REPLY)) if price else 0.0

        with Asking(spec, self.ledger, self.progress, likely, self.secret) as ask:
            try:
                ask(wanted.values(), len(wanted))
            finally:
                self.asked += ask.tally.asked
                self.spent = None if self.spent is None or ask.tally.spent is None else self.spent + ask.tally.spent
        found = {key: self.ledger.find(request.key) for key, request in wanted.items()}
        if missing := sum(entry is None for entry in found.values()):
            raise self._unfinished(ask.tally, missing, len(wanted))
        for key, entry in found.items():
            assert entry is not None
            self.entries[entry.key] = entry
            yield Completion(key, entry.text, _FINISH[entry.outcome], entry.tokens.out)

    def _unfinished(self, tally: Tally, missing: int, total: int) -> PonensError:
        seen = ", ".join(f"{count} {name}" for name, count in sorted(tally.outcomes.items())) or "nothing was asked"
        cause, remedy = tally.worst()
        why = f"; {cause}" if cause else ""
        if tally.limit:
            why += f"; [evaluate.api] {tally.limit} = {getattr(self.terms, tally.limit)} is reached"
            remedy = f"raise [evaluate.api] {tally.limit}"
        return PonensError(
            f"{missing} of {total} replies of {self.rival.name} are missing",
            seen=seen + why,
            expected="a reply to every request",
            hint=f"{f'{remedy}, and run again' if remedy else 'run again'}: only those that are missing are asked",
        )


def draw(
    rivals: Sequence[Rival], spec: ApiSpec, asks: Sequence[Ask], how: Decoding, shop: Workshop
) -> tuple[list[Reply], dict[str, Any]]:
    """Every reply of models behind an API, and of each what it took: requests, tokens, cost. PonensError as above."""
    replies, told = list[Reply](), dict[str, Any]()
    asked, spent = 0, 0.0
    with Ledger(shop.home) as ledger:
        for rival in rivals:
            engine = PaidEngine(rival, spec, how, ledger, shop.progress, shop.secret, asked=asked, spent=spent)
            slots = _slots(rival, asks, how, engine)
            slots.run()
            for (_, ask, index), kept in sorted(slots.got.items()):
                replies.append(Reply(rival.name, ask, index, kept.text, kept.finish, kept.tokens, kept.logprob))
            told[rival.name] = _facts(rival, spec, slots, engine, engine.asked - asked)
            asked, spent = engine.asked, engine.spent or spent
    return replies, told


def _slots(rival: Rival, asks: Sequence[Ask], how: Decoding, engine: PaidEngine) -> Slots:
    """Which replies are wanted of one model."""
    subjects, by_id = {rival.name: Subject(rival.name, "")}, {a.id: a for a in asks}
    return Slots("api", subjects, by_id, {}, how, None, InLedger(), lambda: engine)


def _facts(rival: Rival, spec: ApiSpec, slots: Slots, engine: PaidEngine, asked: int) -> dict[str, Any]:
    """What one model's replies took, whenever they were paid for; `cost` is None where a price is not known."""
    entries = list(engine.entries.values())
    costs = [entry.cost for entry in entries]
    tokens = sum((entry.tokens for entry in entries), Tokens())
    return {
        "provider": rival.provider,
        "model": rival.model,
        "requests": len(slots.got),
        "asked": asked,
        "from_ledger": max(0, len(entries) - asked),
        "tokens": tokens.dict(),
        "tokens_estimated": sum(entry.estimated for entry in entries),
        "cost": None if None in costs else round(sum(cost or 0.0 for cost in costs), 6),
    }


def estimate(
    rivals: Iterable[Rival], spec: ApiSpec, asks: Sequence[Ask], how: Decoding, ledger: Ledger
) -> dict[str, dict[str, Any]]:
    """By model what would be asked at most, and its cost; sends nothing. `learned_from` counts replies known."""
    return {rival.name: _estimated(rival, spec, asks, how, ledger) for rival in rivals if rival.provider}


def _estimated(rival: Rival, spec: ApiSpec, asks: Sequence[Ask], how: Decoding, ledger: Ledger) -> dict[str, Any]:
    seen, todo = list[Entry](), list[terms.Request]()
    unasked = PaidEngine(rival, spec, how, ledger, lambda tick: None)
    wanted = _slots(rival, asks, how, unasked).wanted()
    for request in wanted.values():
        one = spec.asking(rival, how, drawn=request.temperature > 0)
        asked = terms.request(one, request.messages, request.seed)
        if ledger.settled(asked.key, one.max_tokens, again=one.again) and (entry := ledger.find(asked.key)):
            seen.append(entry)
        else:
            todo.append(asked)
    out = round(sum(e.tokens.out for e in seen) / len(seen)) if seen else _REPLY
    greedy = spec.asking(rival, how, drawn=False)
    tokens = sum((_guessed(one, greedy, out) for one in todo), Tokens())
    price = spec.price_of(rival.model)
    return {
        "model": rival.model,
        "requests": len(wanted),
        "asked": len(todo),
        "from_ledger": len(seen),
        "tokens": tokens.dict(),
        "cost": round(price.of(tokens), 6) if price else None if todo else 0.0,
        "learned_from": len(seen),
    }


def _guessed(request: terms.Request, spec: AskSpec, out: int) -> Tokens:
    return Tokens(guess_of(request.messages), min(out, spec.max_tokens or out))
