"""What a report is made of: the one structure between the steps and the page.

    receipts, ballots, samples, verdict ──tasks/report──▶ Facts ──evals.report.page──▶ HTML and Markdown

Every field that is not marked NotRequired must be there; a list may be empty and its part of the page
then says so. Shares lie in [0, 1]; times are seconds; letters are those of the ballots (identical
options under one letter). Every text may be hostile: the page escapes it all.
"""

from __future__ import annotations

from typing import Literal, NotRequired, Required, TypedDict

from evals.evaluation import EvaluationFacts

Change = Literal["fixed", "broken", "both right", "both wrong"]


class ReplyFacts(TypedDict):
    """One subject on one question. `extractors` and `at` go with `votes`, `greedy_…` with the greedy reply.

    `at` is where in its text an extractor fired, [from, to] in characters, None where none did. `texts`
    are the sampled replies in the order of `votes`; leave it empty to keep a report small. A vote across
    adapters has votes alone.
    """

    winner: str | None
    votes: list[str | None]
    greedy: str | None
    greedy_text: str
    greedy_extractor: str
    greedy_at: list[int] | None
    texts: list[str]
    extractors: list[str]
    at: list[list[int] | None]


class QuestionFacts(TypedDict):
    """One question with all subjects' replies, and what changed between base and first adapter."""

    id: str
    source_id: str
    problem: str
    question: str
    options: list[str]
    gold: str
    base: ReplyFacts
    adapter: ReplyFacts
    others: dict[str, ReplyFacts]
    change: Change
    tags: NotRequired[list[str]]


class StepFacts(TypedDict):
    """One step's receipt. `facts` are its counts: shown as they are, in their order."""

    name: str
    status: Literal["ran", "cached", "failed"]
    seconds: float
    key: str
    digest: str
    artifact: str
    facts: dict[str, object]


class ThrownFacts(TypedDict):
    """How many were left out where ("parse", "reason", "assemble") and why."""

    where: str
    reason: str
    count: int


class CostFacts(TypedDict):
    """What the teacher was asked. `money` is None where it is not known; `estimated` replies came without a count."""

    requests: int
    from_ledger: int
    tokens_in: int
    tokens_out: int
    money: float | None
    estimated: int
    currency: str


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


CourseKey = Literal["loss", "learning_rate", "tokens_per_second", "memory"]


class StepRow(TypedDict, total=False):
    """What a training told of itself at a step; `memory` in bytes, the highest so far."""

    step: Required[int]
    loss: float
    valid_loss: float
    learning_rate: float
    grad_norm: float
    tokens_per_second: float
    memory: float


class TrainingFacts(TypedDict):
    """The training in numbers, None where a step did not say; `rows` may be empty."""

    rows: list[StepRow]
    steps: int | None
    trainable: int | None
    parameters: int
    trained_tokens: int | None
    tokens_per_second: int | None
    seconds: float | None
    device: str | None


class OriginFacts(TypedDict):
    """One fact about where the adapter came from: "source file", "teacher", "prompt", "base model", "code"."""

    what: str
    name: str
    digest: str


class Facts(TypedDict):
    """A whole report. `made_at` is ISO 8601 in UTC; `recipe` the resolved TOML; `adapter` is NAME/N, the first one.

    `suspects` are the strongest few. `costs`, `rationales` and `training` are None where adapters that were
    there already are compared, and nothing was asked of a teacher or trained.
    """

    name: str
    adapter: str
    base_model: str
    toy: bool
    made_at: str
    command: str
    recipe: str
    evaluation: EvaluationFacts
    questions: list[QuestionFacts]
    steps: list[StepFacts]
    thrown_away: list[ThrownFacts]
    costs: CostFacts | None
    rationales: RationaleFacts | None
    suspects: list[SuspectFacts]
    training: TrainingFacts | None
    lineage: list[OriginFacts]


def change_of(base_right: bool, adapter_right: bool) -> Change:
    """The name of a question's change.

    >>> change_of(base_right=False, adapter_right=True)
    'fixed'
    """
    if base_right:
        return "both right" if adapter_right else "broken"
    return "fixed" if adapter_right else "both wrong"
