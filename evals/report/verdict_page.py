"""The page of a verdict on other tools' results: the words, the numbers, how sides were matched, what changed.

VerdictFacts ──page──▶ HTML (no network, whole without scripts)
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypedDict

from evals.evaluation import PairedFacts
from evals.report import plots
from evals.report.templates import rendered


class SaidFacts(TypedDict):
    """A question that changed: both sides' marks and words, as far as a tool kept them."""

    id: str
    task: str
    change: str
    prompt: str
    key: str
    a: str
    b: str
    a_score: float | None
    b_score: float | None


class JudgedFacts(TypedDict):
    """One comparison; `facts` are how it came about, for people. Scores are shares in [0, 1] where `shares` is true."""

    task: str
    a: str
    b: str
    shares: bool
    questions: int
    base: dict[str, Any]
    adapter: dict[str, Any]
    paired: PairedFacts
    facts: list[tuple[str, str]]


class VerdictFacts(TypedDict):
    """A whole page. `head` is what the word at its top is about; `disagreements` are replies read in two ways."""

    head: JudgedFacts
    judged: list[JudgedFacts]
    subjects: list[dict[str, str]]
    warnings: list[str]
    questions: list[SaidFacts]
    left_out: int
    disagreements: list[dict[str, Any]]
    command: str
    made_at: str


class _Bar(NamedTuple):
    """A comparison as the plot of changes takes it."""

    label: str
    paired: PairedFacts | None


def page(facts: VerdictFacts) -> str:
    """The report as one HTML document."""
    bars = [_Bar(f"{one['b']} {one['task']}".strip(), one["paired"]) for one in facts["judged"]]
    return rendered(
        "verdict.html.j2",
        "scored.js",
        facts=facts,
        head=facts["head"],
        paired=facts["head"]["paired"],
        flips=plots.flips(bars[:12]),
    )
