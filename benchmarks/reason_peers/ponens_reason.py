"""Ponens as a recipe runs it: the real verb, with its ledger on disk and its table of rationales."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import langchain_openai  # noqa: F401  here, not at its first use: no contender pays for imports
import pyarrow.parquet as pq
from contender import MODEL, TIMEOUT, done, order

from storage.home import Home
from storage.records import Question
from tasks.reason.rationales import TABLE
from tasks.reason.step import ReasonSpec, reason
from tasks.runtime.step import Workshop


def answers(table: Path) -> Iterator[tuple[str, str | None]]:
    for batch in pq.ParquetFile(table).iter_batches(1000, columns=["question", "text"]):
        yield from zip(batch["question"].to_pylist(), batch["text"].to_pylist(), strict=True)


given = order()
questions = [Question(**{**row["question"], "options": tuple(row["question"]["options"])}) for row in given.questions()]
spec = ReasonSpec(
    model=MODEL,
    base_url=given.url,
    workers=given.workers,
    prompt="explain",
    samples=given.samples,
    timeout=TIMEOUT,
    max_unanswered=1.0,
)
folder = Path(given.folder) / "work"
folder.mkdir()
reason(spec, questions, Workshop(folder, Home(Path(given.folder) / "home"), lambda tick: None))
done(answers(folder / TABLE))
