"""What asking a teacher brought: yields, agreement, lengths, cost, and keys in doubt.

    rows of one question at a time ──Tally.see──▶ Tally ──facts, suspects──▶ the page, the warehouse

A row is one of `rationales.parquet`. A reply is hinted if its prompt showed the key ("…/explain").

The rule for a suspect key. Of the readable, unhinted answers to a question, at least two and at least
two thirds are the same answer, and it is not the key. Options of equal text are one answer. Suspects
are ranked by Wilson's lower bound of that share, which asks for agreement and for many votes at once,
then by the votes against the key, then by id. One sample says nothing: a teacher that errs once looks
like a key that is wrong. The simulation in docs/rationales.md says how far to trust the list.

Memory is bounded: counts, a histogram, and the evidence of the strongest suspects.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evals.report.rationale_facts import (
    AgreementFacts,
    AskedFacts,
    LengthFacts,
    RationaleFacts,
    SuspectCounts,
    SuspectFacts,
)
from evals.stats import wilson
from evals.vote import same_answer
from storage.records import Question

HELD = 1_000
_EVIDENCE = 2
_LONGEST_EVIDENCE = 8_000
_FINE = 32  # buckets an octave: 2 ** (1 / 64) - 1 = 1.1 % from a bucket's middle to its ends
_MOST_BINS = 40
Row = Mapping[str, Any]


def is_hinted(row: Row) -> bool:
    """Whether the teacher was shown the key."""
    return str(row["prompt"]).endswith("/explain")


class Tally:
    """Counts over all questions, each seen once with all its rows, in any order."""

    def __init__(self, held: int = HELD, settled: Collection[str] = ()) -> None:
        self._held, self._settled = held, settled
        self.spared: set[str] = set()  # questions that would be suspects, had nobody looked at their keys
        self._models: set[str] = set()
        self._yields: Counter[int] = Counter()
        self._prompts: dict[str, AskedFacts] = {}
        self._agreement = {False: _Agreement(), True: _Agreement()}
        self._lengths = _Lengths()
        self._rejected: Counter[str] = Counter()
        self._cost: float | None = 0.0
        self._out_tokens: int | None = 0
        self._counts: SuspectCounts = {"samples": 0, "judged": 0, "found": 0, "held": 0}
        self._suspects: list[SuspectFacts] = []

    def see(self, question: Question, rows: Sequence[Row]) -> None:
        """Count one question. ValueError if it has no key."""
        under = _under(question)
        self._yields[sum(bool(row["kept"]) for row in rows)] += 1
        for row in rows:
            self._count(row, row["answer"] is not None and under[row["answer"]] == question.answer)
        for hinted, agreement in self._agreement.items():
            agreement.add(
                [under[r["answer"]] == question.answer for r in rows if is_hinted(r) is hinted and r["answer"]]
            )
        self._judge(question, under, sorted((r for r in rows if not is_hinted(r)), key=lambda r: int(r["sample"])))

    def facts(self) -> RationaleFacts:
        """All counts, without texts."""
        prompts = [self._prompts[name].copy() for name in sorted(self._prompts)]
        prompts.sort(key=lambda prompt: prompt["hinted"])
        kept = sum(prompt["kept"] for prompt in prompts)
        return {
            "models": sorted(self._models),
            "questions": self._yields.total(),
            "requests": sum(prompt["requests"] for prompt in prompts),
            "kept": kept,
            "yields": [self._yields[n] for n in range(max(self._yields, default=-1) + 1)],
            "prompts": prompts,
            "unhinted": self._agreement[False].facts(),
            "hinted": self._agreement[True].facts(),
            "lengths": self._lengths.facts(),
            "rejected": dict(sorted(self._rejected.items())),
            "cost": self._cost,
            "cost_per_kept": None if self._cost is None or not kept else self._cost / kept,
            "out_tokens": self._out_tokens,
            "estimated": 0,
            "likely": None,
            "suspects": {**self._counts, "held": min(self._held, self._counts["found"])},
        }

    def suspects(self) -> list[SuspectFacts]:
        """The strongest suspects with their evidence, at most as many as are held."""
        self._suspects.sort(key=_rank)
        del self._suspects[self._held :]
        return [{**suspect, "rank": rank} for rank, suspect in enumerate(self._suspects, 1)]

    def _count(self, row: Row, agrees: bool) -> None:
        name = str(row["prompt"])
        prompt = self._prompts.setdefault(
            name, {"prompt": name, "hinted": is_hinted(row), "requests": 0, "read": 0, "agree": 0, "kept": 0}
        )
        prompt["requests"] += 1
        prompt["read"] += row["answer"] is not None
        prompt["agree"] += agrees
        self._models.add(str(row["model"]))
        if row["kept"]:
            prompt["kept"] += 1
            self._lengths.add(len(row["text"]))
        else:
            self._rejected[str(row["reason"])] += 1
        if row["text"] is not None:  # a reply that never came cost nothing
            self._cost = None if self._cost is None or row["cost"] is None else self._cost + row["cost"]
            spent = row["out_tokens"]
            self._out_tokens = None if self._out_tokens is None or spent is None else self._out_tokens + spent

    def _judge(self, question: Question, under: Mapping[str, str], rows: Sequence[Row]) -> None:
        counts = self._counts
        counts["samples"] = max(counts["samples"], len(rows))
        votes = [None if row["answer"] is None else under[row["answer"]] for row in rows]
        cast = Counter(vote for vote in votes if vote is not None)
        readable = cast.total()
        counts["judged"] += readable >= 2
        answer, most = cast.most_common(1)[0] if cast else ("", 0)
        if most < 2 or 3 * most < 2 * readable or answer == question.answer:
            return
        if question.id in self._settled:
            self.spared.add(question.id)
            return
        counts["found"] += 1
        texts = dict.fromkeys(row["text"] for row, vote in zip(rows, votes, strict=True) if vote == answer)
        self._suspects.append(
            {
                "rank": 0,
                "question": question.id,
                "source_id": question.source_id,
                "file": question.file,
                "line": question.line,
                "problem": question.problem,
                "asked": question.question,
                "options": list(question.options),
                "key": str(question.answer),
                "answer": answer,
                "votes": votes,
                "share": most / readable,
                "strength": wilson(most, readable)[0],
                "evidence": [_short(text) for text in list(texts)[:_EVIDENCE]],
            }
        )
        if len(self._suspects) >= 2 * self._held:
            self.suspects()


def cost_told(facts: RationaleFacts) -> str:
    """What is known of the cost, in a line."""
    many = f"{facts['estimated']:,} {'reply' if facts['estimated'] == 1 else 'replies'}"
    guessed = f"; tokens of {many} are an estimate, for the teacher did not say" if facts["estimated"] else ""
    if facts["cost"] is not None:
        return f"cost {facts['cost']:,.4f}"
    if facts["likely"] is not None:
        return f"cost unknown, {facts['likely']:,.4f} by estimate{guessed}"
    return f"no price known{guessed}"


def told(counts: SuspectCounts) -> str:
    """What can be said of the keys, in one sentence."""
    if counts["judged"] == 0:
        why = {0: "The teacher was always shown the key", 1: "The teacher was asked once a question"}.get(
            counts["samples"], "No question has two readable answers that were given without the key"
        )
        return f"{why}: no suspect can be told."
    return (
        "The teacher's answers agree with each other, and not with the key,"
        f" on {counts['found'] or 'none'} of {counts['judged']} questions."
    )


@dataclass
class _Agreement:
    """Sums over questions of read replies m and of those with the key a: enough for a clustered interval."""

    questions: int = 0
    read: int = 0
    agree: int = 0
    squares: list[int] = field(default_factory=lambda: [0, 0, 0])  # of a a, a m, m m

    def add(self, replies: Sequence[bool]) -> None:
        m, a = len(replies), sum(replies)
        self.questions += m > 0
        self.read += m
        self.agree += a
        self.squares = [s + x for s, x in zip(self.squares, (a * a, a * m, m * m), strict=True)]

    def facts(self) -> AgreementFacts:
        """Wilson's interval at the effective number of replies of Rao and Scott (1992), Biometrics 48.

        Replies to one question rise and fall together: their number is divided by the design effect, the
        clustered variance of the share over the binomial one. Where all replies agree, or none, that
        is not known, and each question counts once.
        """
        if not self.read:
            return {"read": 0, "agree": 0, "share": None, "ci95": [0.0, 1.0]}
        share = self.agree / self.read
        aa, am, mm = self.squares
        spread = aa - 2 * share * am + share * share * mm
        effect = spread / (self.read * share * (1 - share)) if 0 < share < 1 else self.read / self.questions
        trials = self.read / max(1.0, effect)
        return {
            "read": self.read,
            "agree": self.agree,
            "share": share,
            "ci95": list(wilson(share * trials, trials)),
        }


@dataclass
class _Lengths:
    """A histogram with geometric buckets, as in HdrHistogram and DDSketch: a fixed relative error in bounded space."""

    buckets: Counter[int] = field(default_factory=Counter)
    longest: int = 0

    def add(self, length: int) -> None:
        self.buckets[math.floor(_FINE * math.log2(max(1, length)))] += 1
        self.longest = max(self.longest, length)

    def facts(self) -> LengthFacts | None:
        if not self.buckets:
            return None
        return {
            "p5": self._quantile(0.05),
            "p25": self._quantile(0.25),
            "p50": self._quantile(0.5),
            "p75": self._quantile(0.75),
            "p95": self._quantile(0.95),
            "max": self.longest,
            "bins": self._bins(),
        }

    def _quantile(self, q: float) -> int:
        """The middle of the bucket in which the value of rank q (n - 1) lies."""
        left = q * (self.buckets.total() - 1)
        for bucket in sorted(self.buckets):
            left -= self.buckets[bucket]
            if left < 0:
                break
        return min(self.longest, round(2 ** ((bucket + 0.5) / _FINE)))

    def _bins(self) -> list[list[int]]:
        """Quarters of an octave, or whole octaves where those would be too many."""
        wide = _FINE // 4
        if (max(self.buckets) - min(self.buckets)) // wide >= _MOST_BINS:
            wide = _FINE
        joined: Counter[int] = Counter()
        for bucket, count in self.buckets.items():
            joined[bucket // wide] += count
        edge = wide / _FINE
        return [
            [round(2 ** (n * edge)), round(2 ** ((n + 1) * edge)), joined[n]]
            for n in range(min(joined), max(joined) + 1)
        ]


def _under(question: Question) -> dict[str, str]:
    """Each letter's answer: the first letter with its text, or the key's own letter where the text is the key's."""
    if question.answer is None:
        raise ValueError(f"question {question.id} has no key")
    first = same_answer(question.options)
    return {a: question.answer if f == first[question.answer] else f for a, f in first.items()}


def _rank(suspect: SuspectFacts) -> tuple[float, int, str]:
    against = sum(vote not in (None, suspect["key"]) for vote in suspect["votes"])
    return -suspect["strength"], -against, suspect["question"]


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_EVIDENCE else f"{text[:_LONGEST_EVIDENCE]}…"
