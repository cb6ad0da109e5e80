"""The evaluations of a home and who answered in them.

listed(files)                     every evaluation that a receipt names, newest first
find(there, "6236f38358a33cab")   one of them
reference: "6236f38358a33cab:demo/1", a subject of one evaluation
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.browse.files import Files
from storage.records import Receipt, UsageError
from storage.tables.dialogue_files import DIALOGUES
from storage.tables.questions import QUESTIONS
from storage.tables.samples import BALLOTS, SAMPLES
from storage.tables.scores import SCORES

BASE = "base"
_REFERENCE = re.compile(r"(?P<id>[A-Za-z0-9_.-]{1,64}):(?P<subject>.{1,200})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation. `folder` is None where its artifact is gone, `asked` where what was asked is."""

    id: str
    receipt: Receipt
    folder: Path | None
    asked: Path | None

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.receipt.facts

    @property
    def kind(self) -> str:
        return str(self.facts.get("kind") or "choice")

    @property
    def letters(self) -> bool:
        """Whether its answers are letters, by votes; else scored dialogues."""
        return "kind" not in self.facts

    @property
    def subjects(self) -> list[str]:
        """The base, the adapter, and others beside them."""
        adapter, others = self.facts.get("adapter_name"), self.facts.get("others")
        return [BASE, *([str(adapter)] if adapter else []), *(others if isinstance(others, dict) else {})]

    @property
    def table(self) -> Path | None:
        """The file with the replies, if it is there."""
        file = self.folder / (SAMPLES if self.letters else SCORES) if self.folder else None
        return file if file and file.is_file() else None

    @property
    def ballots(self) -> Path | None:
        file = self.folder / BALLOTS if self.folder and self.letters else None
        return file if file and file.is_file() else None


@dataclass(frozen=True, slots=True)
class Subject:
    """One who answered in an evaluation."""

    evaluation: Evaluation
    name: str

    def __str__(self) -> str:
        return f"{self.evaluation.id}:{self.name}"


def listed(files: Files) -> list[Evaluation]:
    """Every evaluation that a receipt names, newest first; of one artifact the newest receipt."""
    parsed = {receipt.digest: receipt for receipt in files.receipts("parse")}
    found = {Path(receipt.artifact).name: receipt for receipt in files.receipts("evaluate")}
    return [_evaluation(files, id, receipt, parsed) for id, receipt in reversed(found.items())]


def find(there: Sequence[Evaluation], id: str) -> Evaluation:
    """The evaluation of this id among those that are there. UsageError if none is."""
    for evaluation in there:
        if evaluation.id == id:
            return evaluation
    raise UsageError(
        "there is no such evaluation", seen=repr(id[:80]), expected="one that a receipt of this home names"
    )


def subject(there: Sequence[Evaluation], reference: str) -> Subject:
    """The subject that EVALUATION:NAME means. UsageError if there is none."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise UsageError("this names no subject", seen=repr(reference[:80]), expected="EVALUATION:NAME")
    evaluation = find(there, match["id"])
    if match["subject"] not in evaluation.subjects:
        raise UsageError(
            f"evaluation {evaluation.id} has no such subject",
            seen=repr(match["subject"][:80]),
            expected=f"one of {', '.join(evaluation.subjects)}",
        )
    return Subject(evaluation, match["subject"])


def _evaluation(files: Files, id: str, receipt: Receipt, parsed: Mapping[str, Receipt]) -> Evaluation:
    inputs = receipt.ingredients.get("inputs") if isinstance(receipt.ingredients, dict) else None
    source = parsed.get(str((inputs or {}).get("questions")))
    folder = files.inside(source.artifact) if source else None
    places = [folder / name for name in (QUESTIONS, DIALOGUES)] if folder else []
    return Evaluation(id, receipt, files.inside(receipt.artifact), next((p for p in places if p.is_file()), None))
