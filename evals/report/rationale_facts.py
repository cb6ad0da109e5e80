"""What asking a teacher brought, as pages show it: counts, agreement, lengths, keys in doubt."""

from __future__ import annotations

from typing import TypedDict


class AskedFacts(TypedDict):
    """Requests with one prompt: how many replies gave a letter, how many the key, how many are kept."""

    prompt: str
    hinted: bool
    requests: int
    read: int
    agree: int
    kept: int


class AgreementFacts(TypedDict):
    """How often readable replies gave the key: None without any. `ci95` allows for several replies to a question."""

    read: int
    agree: int
    share: float | None
    ci95: list[float]


class LengthFacts(TypedDict):
    """Characters of kept rationales: quantiles to 1.1 %, `max` exact, `bins` of [from, below, count]."""

    p5: int
    p25: int
    p50: int
    p75: int
    p95: int
    max: int
    bins: list[list[int]]


class SuspectCounts(TypedDict):
    """`samples` is the most unhinted requests of any question; `judged` questions have two readable answers to them.

    `held` of the `found` suspects come with their evidence.
    """

    samples: int
    judged: int
    found: int
    held: int


class RationaleFacts(TypedDict):
    """What asking a teacher brought, without texts: `rationales` of the reason step's facts.

    `yields[n]` is the number of questions with n kept rationales. `cost` and `out_tokens` are None where
    that of any reply is unknown, `cost_per_kept` also where none is kept. The teacher did not say the tokens of
    `estimated` replies; `likely` is the cost with their estimates, None without a price.
    """

    models: list[str]
    questions: int
    requests: int
    kept: int
    yields: list[int]
    prompts: list[AskedFacts]
    unhinted: AgreementFacts
    hinted: AgreementFacts
    lengths: LengthFacts | None
    rejected: dict[str, int]
    cost: float | None
    cost_per_kept: float | None
    out_tokens: int | None
    estimated: int
    likely: float | None
    suspects: SuspectCounts


class SuspectFacts(TypedDict):
    """A question whose key is in doubt: a row of `suspects.parquet`. `rank` counts from 1, the strongest first.

    `votes` are the unhinted answers by sample, None where unreadable, identical options under one letter;
    `share` is that of the teacher's `answer` among the readable, `strength` its Wilson lower bound.
    `evidence` holds up to two rationales that reach `answer`.
    """

    rank: int
    question: str
    source_id: str
    file: str
    line: int
    problem: str
    asked: str
    options: list[str]
    key: str
    answer: str
    votes: list[str | None]
    share: float
    strength: float
    evidence: list[str]
