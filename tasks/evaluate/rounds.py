"""One order under way: rounds of replies until every question of every subject is settled.

slots (subject, ask, index) ──what is stored──▶ got        the rest ──engine──▶ stored, got
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from evals.adaptive import Race, Rule, next_round
from evals.vote import same_answer
from storage.records import FORCED, GREEDY, Question, seed_of
from storage.tables.samples import Kept, sample_key
from tasks.engines.interface import Engine, Request
from tasks.evaluate.generation import Decoding, Subject
from tasks.kinds.asks import Ask
from tasks.kinds.choice import read

Slot = tuple[str, str, int]  # subject, ask, index


class Store(Protocol):
    """Where replies are kept as they finish, and found again."""

    def find(self, keys: Collection[str], /) -> dict[str, Kept]: ...

    def add(self, kept: Kept, /, **about: Any) -> None: ...


@dataclass
class Asking:
    """Which replies are wanted, and which are there.

    `prompts` holds each ask's text by subject and id, or nothing where the engine takes messages. `open` loads the
    engine once the first reply has to be drawn; `tell` hears how many are there.
    """

    engine_name: str
    subjects: Mapping[str, Subject]
    asks: Mapping[str, Ask]
    prompts: Mapping[str, Mapping[str, str]]
    decoding: Decoding
    context: int | None
    store: Store
    open: Callable[[], Engine]
    tell: Callable[[int], None] = lambda done: None
    got: dict[Slot, Kept] = field(default_factory=dict)
    engine: Engine | None = None
    asked: int = 0

    def run(self) -> None:
        """Ask until every subject's votes on every ask are settled."""
        wanted = self.wanted()
        slots = list(wanted)
        stored = self.store.find({request.key for request in wanted.values()})
        votes, rule = self.decoding.votes, self.decoding.rule
        races = {
            name: {id: _race(ask.question, votes) for id, ask in self.asks.items() if ask.question and rule}
            for name in self.subjects
        }
        now = [slot for slot in slots if slot[2] < 0 or slot[1] not in races[slot[0]]] + self._round(races, rule)
        while now:
            self._answer([(slot, wanted[slot]) for slot in now], stored)
            now = self._round(races, rule)

    def wanted(self) -> dict[Slot, Request]:
        """Every reply that may be wanted, with its request."""
        slots = [slot for name in self.subjects for ask in self.asks.values() for slot in self._slots(name, ask)]
        return {slot: self._request(slot) for slot in slots}

    def _slots(self, name: str, ask: Ask) -> list[Slot]:
        """Every reply that may be wanted: in this order, so that what shares a prompt is asked together."""
        indices = [*([FORCED] if ask.forced else []), *([GREEDY] if ask.greedy else []), *range(self.decoding.votes)]
        return [(name, ask.id, index) for index in indices]

    def _round(self, races: Mapping[str, dict[str, Race]], rule: Rule | None) -> list[Slot]:
        """The votes that questions which are not settled yet need at least."""
        slots: list[Slot] = []
        if rule is None:
            return slots
        for name, under_way in races.items():
            for id, race in under_way.items():
                under_way[id] = race.after(self._since(name, id, len(race.votes)))
            for id, more in next_round(under_way.values(), rule).items():
                start = len(under_way[id].votes)
                slots += [(name, id, index) for index in range(start, start + more)]
        return slots

    def _since(self, name: str, id: str, start: int) -> list[str | None]:
        """The votes that came in from `start` on, identical options under one letter."""
        question = self.asks[id].question
        assert question is not None
        under, votes = same_answer(question.options), list[str | None]()
        while (kept := self.got.get((name, id, start + len(votes)))) is not None:
            answer = read(question, start + len(votes), kept.text, kept.finish).answer
            votes.append(under[answer] if answer else None)
        return votes

    def _answer(self, wanted: Iterable[tuple[Slot, Request]], stored: Mapping[str, Kept]) -> None:
        """Take what is stored, ask for the rest; replies with one key fill all their slots."""
        todo: dict[str, tuple[Request, list[Slot]]] = {}
        for slot, request in wanted:
            if kept := stored.get(request.key):
                self.got[slot] = kept
            else:
                todo.setdefault(request.key, (request, []))[1].append(slot)
        self.tell(len(self.got))
        if not todo:
            return
        self.engine = self.engine or self.open()
        for done in self.engine.generate([request for request, _ in todo.values()]):
            slots = todo[done.key][1]
            kept = Kept(done.key, done.text, done.finish, done.tokens, done.logprob)
            subject, ask, index = slots[0]
            self.store.add(kept, subject=subject, question=ask, index=index, engine=self.engine_name)
            self.got |= dict.fromkeys(slots, kept)
            self.asked += 1
            self.tell(len(self.got))

    def _request(self, slot: Slot) -> Request:
        name, id, index = slot
        ask, how = self.asks[id], self.decoding
        forced, drawn = ask.forced if index == FORCED else None, index >= 0
        request = Request(
            key="",
            subject=name,
            prompt=self.prompts[name][id] + (forced.start if forced else "") if self.prompts else "",
            max_tokens=1 if forced else how.max_tokens,
            temperature=how.temperature if drawn else 0.0,
            top_p=how.top_p if drawn else 1.0,
            seed=seed_of(how.seed, id, index) if drawn else 0,
            letters=forced.letters if forced else None,
            messages=() if self.prompts else ask.messages,
        )
        return replace(request, key=self._key(request))

    def _key(self, request: Request) -> str:
        asked = {k: v for k, v in asdict(request).items() if k not in ("key", "subject", "messages")}
        if request.messages:
            asked["messages"] = [m.dict() for m in request.messages]
        if self.decoding.round:
            asked["round"] = self.decoding.round
        return sample_key(self.engine_name, self.subjects[request.subject].weights, self.context, **asked)


def _race(question: Question, votes: int) -> Race:
    return Race(question.id, tuple(sorted(set(same_answer(question.options).values()))), votes)
