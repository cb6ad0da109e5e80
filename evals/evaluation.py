"""What an evaluation measured: the facts of the evaluate step, which a report shows and `ponens run --json` carries.

    subjects(evaluation)     base, adapters and their vote together, each with its figures, in the order of the page

Shares lie in [0, 1]; points of curves are [k, share, lo, hi] as `vote_curve` gives them; intervals are 95 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, NotRequired, Protocol, TypedDict

Measure = Literal[
    "single_accuracy", "greedy_accuracy", "forced_accuracy", "readable_accuracy", "unreadable", "unreadable_samples"
]
Points = list[list[float]]
TOGETHER = "vote of "  # how the name of a vote across adapters begins


class ReadFacts(TypedDict):
    """Votes that one extractor read, and how many of these answers are the key."""

    n: int
    right: int


class CalibrationFacts(TypedDict):
    """As `evals.calibration.Calibration`; `bins` of [above, up_to, n, share, accuracy, lo, hi]."""

    bins: Points
    n: int
    unanswered: int
    ece: float | None
    brier: float | None


class ConsistencyFacts(TypedDict):
    """As `evals.calibration.Consistency`."""

    questions: int
    same: float
    ci95: list[float]
    pairs: float
    places: list[int]


class SideFacts(TypedDict):
    """One subject on the whole set, as `evals.sides` tells it. `single_accuracy` is vote_curve's k = 1."""

    accuracy: float
    ci95: list[float]
    readable_accuracy: float | None
    unreadable: float
    unreadable_samples: float
    greedy_accuracy: float | None
    single_accuracy: float | None
    forced_accuracy: float | None
    samples: int
    cut: float
    overflow: float
    extractors: dict[str, ReadFacts]
    abstentions: dict[str, int]
    calibration: CalibrationFacts


class PairedFacts(TypedDict):
    """As `Verdict.paired()` gives it; `verdict` is the word, by `adjusted_p` where there are several `comparisons`."""

    difference: float
    ci95: list[float]
    test: Literal["exact McNemar", "sign-flip"]
    p: float
    mcnemar_p: float
    adjusted_p: float
    comparisons: int
    fixed: int
    broken: int
    verdict: Literal["better", "worse", "cannot tell"]
    reason: str
    problems: int
    detectable: float | None
    fixed_ids: list[str]
    broken_ids: list[str]


class SliceFacts(TypedDict):
    """A part of the questions, such as by "family" or "language", with both accuracies and Wilson's intervals."""

    by: str
    name: str
    n: int
    base: float
    base_ci95: list[float]
    adapter: float
    adapter_ci95: list[float]


class CurveFacts(TypedDict):
    """The points of both sides."""

    base: Points
    adapter: Points


class OtherFacts(SideFacts):
    """A further adapter, or the vote of all together."""

    paired: PairedFacts
    slices: list[SliceFacts]
    curve: Points
    passes: Points


class SavedFacts(TypedDict):
    """Votes asked for, of how many, and the share that stopping early saved."""

    asked: int
    full: int
    saved: float


class ReplayFacts(TypedDict):
    """What a rule would have saved of full ballots, and the share of winners it would have kept."""

    rule: str
    questions: int
    saved: float
    agreement: float


class StageFacts(TypedDict):
    """An adapter against the one that it went on from; ids of questions that this fixed and broke."""

    parent: str
    child: str
    paired: PairedFacts
    fixed: list[str]
    broken: list[str]


class EvaluationFacts(TypedDict):
    """The evaluation of base and adapters. `consistency` is by subject, None where no options changed places."""

    questions: int
    problems: int
    votes: int
    adaptive: str
    weighting: str
    engine: str
    temperature: float
    adapter_name: str
    base: SideFacts
    adapter: SideFacts
    curves: CurveFacts
    passes: CurveFacts
    slices: list[SliceFacts]
    paired: PairedFacts
    others: dict[str, OtherFacts]
    stages: NotRequired[list[StageFacts]]
    sampled: SavedFacts
    replays: list[ReplayFacts]
    consistency: dict[str, ConsistencyFacts | None]
    corrections: NotRequired[dict[str, dict[str, int]]]
    warnings: list[str]
    models: NotRequired[dict[str, Any]]


class Compared(Protocol):
    """A subject of any kind of work, as far as it is compared with the base."""

    @property
    def label(self) -> str: ...

    @property
    def paired(self) -> PairedFacts | None: ...


class Subject(NamedTuple):
    """One subject as the page shows it: `label` for people, `style` the class that colours it; the base has no word."""

    name: str
    label: str
    style: str
    side: SideFacts
    curve: Points
    passes: Points
    slices: list[SliceFacts]
    paired: PairedFacts | None


def adapters(evaluation: Mapping[str, Any]) -> list[str]:
    """The adapters that were evaluated; their vote together is none, and a base by itself has none."""
    first = evaluation.get("adapter_name")
    names = [first, *evaluation["others"]] if first else []
    return [name for name in names if not name.startswith(TOGETHER) and name not in beside(evaluation)]


def beside(evaluation: Mapping[str, Any]) -> list[str]:
    """The models that answered beside the base and its adapters."""
    return list(evaluation.get("models") or {})


def subjects(evaluation: EvaluationFacts) -> list[Subject]:
    """Base, first adapter, others. An adapter alone is called "adapter", several by their names."""
    curves, passes, others = evaluation["curves"], evaluation["passes"], evaluation["others"]
    first = evaluation["adapter_name"]
    return [
        Subject("base", "base", "base", evaluation["base"], curves["base"], passes["base"], [], None),
        Subject(
            first,
            first if others else "adapter",
            "adapter",
            evaluation["adapter"],
            curves["adapter"],
            passes["adapter"],
            evaluation["slices"],
            evaluation["paired"],
        ),
        *(
            Subject(
                name,
                "all together" if name.startswith(TOGETHER) else name,
                f"other-{number % 4}",
                one,
                one["curve"],
                one["passes"],
                one["slices"],
                one["paired"],
            )
            for number, (name, one) in enumerate(others.items())
        ),
    ]
