"""Questions and rationales -> a snapshot: one example for each kept rationale, as chat messages.

    train.parquet, valid.parquet   prompt: [user], completion: [assistant]; the prompt is the one that evaluation asks
    examples.parquet, drops.parquet

Test questions stay out, copies are dropped, and no problem stands on two sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from prompts import choice
from storage import snapshots
from storage.questions import QUESTIONS
from storage.records import PonensError, Question, Receipt
from tasks.step import Result, Step, Tick, Workshop, of

RATIONALES = "rationales.parquet"


class AssembleSpec(BaseModel):
    """Which rationales become examples."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_rationales: int = Field(1, ge=1, description="Most examples made of one question, each of another rationale.")
    bare: bool = Field(False, description="Teach the bare answer line instead of the rationale: the ablation.")


def step(spec: AssembleSpec, questions: Receipt, rationales: Receipt) -> Step:
    """The step that publishes a snapshot of examples from the artifacts of parse and reason."""
    return Step(
        name="assemble",
        module=__name__,
        settings=spec.model_dump(),
        inputs={"questions": of(questions), "rationales": of(rationales)},
        work=lambda shop: _work(
            shop,
            spec,
            shop.home.root / questions.artifact / QUESTIONS,
            shop.home.root / rationales.artifact / RATIONALES,
        ),
        shelf="snapshots",
        tables={"examples": snapshots.EXAMPLES, "drops": snapshots.DROPS},
    )


def render(question: Question) -> dict[str, Any]:
    """The messages that ask a question, and the line that answers it. ValueError without a key."""
    return {
        "question": question.id,
        "prompt": [message.dict() for message in choice.solve(question)],
        "answer_line": choice.answer_line(question),
    }


def _rendered(shop: Workshop, build: snapshots.Build) -> Iterator[list[dict[str, Any]]]:
    done = 0
    for batch in build.wanted():
        done += len(batch)
        yield list(map(render, batch))
        shop.progress(Tick(done, None, "questions"))


def _work(shop: Workshop, spec: AssembleSpec, questions: Path, rationales: Path) -> Result:
    with snapshots.build(questions, rationales) as build:
        rows = _rendered(shop, build)
        counts = build.write(shop.folder, rows, most=spec.max_rationales, bare=spec.bare)
    if not counts.rows["train"]:
        lost = {**counts.rejections, **counts.dropped}
        raise PonensError(
            "no example is left to train on",
            seen=", ".join(f"{reason}: {count}" for reason, count in lost.items()) or "no question has a key",
            expected="at least one kept rationale of a training question",
            hint='look at `ponens sql "select reason, text from rationales where not kept limit 3"`, '
            "or ask a better teacher",
        )
    facts = {
        "snapshot": counts.identity[:16],
        "rows": counts.rows,
        "rejected": sum(counts.rejections.values()),
        "rejections": counts.rejections,
        "dropped": counts.dropped,
        "prompt": choice.VERSION,
    }
    return Result(facts, counts.identity)
