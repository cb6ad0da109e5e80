"""A judge model compares answers, through the same ledger as the teacher: what was judged is never asked again.

pairs ──two requests each, the answers in either order──▶ ledger ──settled──▶ a choice a pair, and counts

Equal answers tie and nobody is asked. A pair is undecided where a reply to either order states no verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from prompts import judge
from storage.ledger import Entry, Ledger
from storage.records import Message, PonensError, failure
from tasks.runtime.step import Workshop
from tasks.teachers.build import model_name
from tasks.teachers.spec import AskSpec, Request, Tally, request
from tasks.teachers.stage import Asking


class JudgeSpec(AskSpec):
    """The recipe's [evaluate.judge]: asked as a teacher is."""

    @property
    def settings(self) -> dict[str, Any]:
        """What shapes a verdict; how fast, how patiently, where and at what price does not."""
        return {"model": model_name(self), "prompt": judge.VERSION, "max_tokens": self.max_tokens, **self.sampling}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one conversation; `expected` is the reference."""

    conversation: tuple[Message, ...]
    expected: str
    base: str
    adapter: str

    def requests(self, spec: JudgeSpec) -> tuple[Request, Request]:
        """The base's answer first, and the adapter's answer first."""
        straight = judge.compare(self.conversation, self.expected, self.base, self.adapter)
        turned = judge.compare(self.conversation, self.expected, self.adapter, self.base)
        return request(spec, straight, 0), request(spec, turned, 0)


class Judgement(NamedTuple):
    """`choice` is "first" for the base, "second" for the adapter, None where no verdict was read.

    `error` is whether something was raised on the way to it; the reason then says what.
    """

    choice: judge.Choice | None
    reason: str
    error: bool = False


def decide(spec: JudgeSpec, pairs: Mapping[str, Pair], shop: Workshop) -> tuple[dict[str, Judgement], dict[str, Any]]:
    """A judgement for each pair by its id, and counts for people.

    PonensError where a limit was reached or a request stayed without any reply; what was answered is kept.
    """
    apart: dict[str, tuple[Request, Request]] = {}
    judged = dict.fromkeys(pairs, Judgement("tie", "the same answer"))
    for id, pair in pairs.items():
        try:
            if pair.base.strip() != pair.adapter.strip():
                apart[id] = pair.requests(spec)
        except Exception as error:  # no reply may end an evaluation
            judged[id] = Judgement(None, failure(error), error=True)
    total = 2 * len(apart)
    with (
        shop.devices(spec.provider.gpus if apart else 0, first=True),
        Ledger(shop.home, durable=not spec.provider.free) as ledger,
        Asking(spec, ledger, shop.progress, secret=shop.secret) as ask,
    ):
        ask((one for both in apart.values() for one in both), total)
        found = {id: (ledger.find(one.key), ledger.find(other.key)) for id, (one, other) in apart.items()}
    if open_ones := sum(entry is None for both in found.values() for entry in both):
        raise _unfinished(spec, ask.tally, open_ones, total)
    judged |= {id: _judgement(both) for id, both in found.items()}
    return judged, _facts(spec, judged, found, ask.tally)


def _judgement(both: Sequence[Entry | None]) -> Judgement:
    try:
        straight, turned = map(_read, both)
    except Exception as error:  # no reply may end an evaluation
        return Judgement(None, failure(error), error=True)
    choice = judge.settled(straight, turned)
    if choice is None:
        return Judgement(None, "the judge states no verdict")
    if straight == turned and straight != "tie":
        return Judgement(choice, "the judge prefers whichever answer comes first or second")
    who = {"first": "the base", "second": "the adapter", "tie": "neither"}[choice]
    return Judgement(choice, f"the judge prefers {who} in either order")


def _read(entry: Entry | None) -> judge.Choice | None:
    return judge.read(entry.text) if entry and entry.outcome == "answered" else None


def _facts(
    spec: JudgeSpec, judged: Mapping[str, Judgement], found: Mapping[str, Sequence[Entry | None]], tally: Tally
) -> dict[str, Any]:
    choices = Counter(one.choice for one in judged.values())
    readable = [both for id, both in found.items() if not judged[id].error]
    verdicts = [[_read(entry) for entry in both] for both in readable]
    return {
        "model": model_name(spec),
        "prompt": judge.VERSION,
        "pairs": len(judged),
        "base": choices["first"],
        "adapter": choices["second"],
        "tie": choices["tie"],
        "unreadable": sum(one.choice is None and not one.error for one in judged.values()),
        "errors": sum(one.error for one in judged.values()),
        "identical": sum(id not in found and not one.error for id, one in judged.items()),
        "moved": sum(a == b != "tie" and a is not None for a, b in verdicts),
        "asked": tally.asked,
        "from_ledger": tally.from_ledger,
        "tokens": tally.tokens.dict(),
        "tokens_estimated": tally.estimated,
        "cost": None if tally.spent is None else round(tally.spent, 6),
    }


def _unfinished(spec: JudgeSpec, tally: Tally, left: int, total: int) -> PonensError:
    seen = ", ".join(f"{count} {name}" for name, count in sorted(tally.outcomes.items())) or "nothing was asked"
    cause, remedy = tally.worst()
    why = f"; {cause}" if cause else ""
    why += f"; {tally.limit} = {getattr(spec, tally.limit)} is reached" if tally.limit else ""
    return PonensError(
        f"{left} of {total} judgements are missing",
        seen=seen + why,
        expected="a reply to every pair in both orders",
        hint=f"{f'{remedy}, and run again' if remedy else 'run again'}: only those that are missing are asked",
    )
