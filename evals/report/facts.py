"""What a report is made of: the one structure between the steps and the page.

    receipts, ballots, samples, scores ──tasks/report──▶ RunFacts ──evals.report.page──▶ HTML and Markdown

Every field that is not marked NotRequired must be there; a list may be empty and its part of the page
then says so. Shares lie in [0, 1]; times are seconds; letters are those of the ballots (identical
options under one letter). Every text may be hostile: the page escapes it all.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, Required, TypedDict

from evals.report.rationale_facts import RationaleFacts, SuspectFacts

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


Form = Literal["voted", "scored", "alone"]


class RunFacts(TypedDict):
    """What every report says. `made_at` is ISO 8601 in UTC; `recipe` the resolved one; `adapter` NAME/N, the first one.

    `evaluation` is what the evaluate step wrote. `adapter` is "" where a base was measured by itself. `costs`,
    `rationales` and `training` are None where adapters that were there already are compared, and nothing was asked of
    a teacher or trained.
    """

    form: Form
    name: str
    adapter: str
    base_model: str
    toy: bool
    made_at: str
    command: str
    recipe: str
    evaluation: Any
    steps: list[StepFacts]
    thrown_away: list[ThrownFacts]
    costs: CostFacts | None
    training: TrainingFacts | None
    lineage: list[OriginFacts]


class Facts(RunFacts):
    """A report on votes for letters; `evaluation` is `EvaluationFacts`. `suspects` are the strongest few."""

    questions: list[QuestionFacts]
    rationales: RationaleFacts | None
    suspects: list[SuspectFacts]


class ScoredReply(TypedDict):
    """One reply; `index` is -1 for the greedy one, `wins` true for the one that answers for its subject."""

    index: int
    text: str
    outcome: str
    value: float
    reason: str
    wins: bool


class ScoredQuestion(TypedDict):
    """One question: the last user's turn, the turns before it, the reference, each subject's replies.

    `others` are those of further adapters; `change` is between base and first adapter.
    """

    id: str
    source_id: str
    before: list[dict[str, str]]
    asked: str
    reference: str
    base: list[ScoredReply]
    adapter: list[ScoredReply]
    others: list[list[ScoredReply]]
    change: Change | None


class ScoredFacts(RunFacts):
    """A report on scored replies."""

    questions: list[ScoredQuestion]
    texts_left_out: int


class AloneReply(TypedDict):
    """One reply: `name` as "greedy" or "vote 1", what it `said`, `how` that was found, whether it `wins`."""

    name: str
    text: str
    said: str
    how: str
    wins: bool


class AloneQuestion(TypedDict):
    """One question, what the key says, its replies; `right` is None where nothing could be said of it."""

    id: str
    source_id: str
    asked: list[str]
    reference: str
    right: bool | None
    replies: list[AloneReply]


class AloneFacts(RunFacts):
    """A report on a base that was measured by itself."""

    questions: list[AloneQuestion]
    texts_left_out: int


def change_of(base_right: bool, adapter_right: bool) -> Change:
    """The name of a question's change.

    >>> change_of(base_right=False, adapter_right=True)
    'fixed'
    """
    if base_right:
        return "both right" if adapter_right else "broken"
    return "fixed" if adapter_right else "both wrong"
