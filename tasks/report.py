"""report: receipts, ballots and samples -> one self-contained page.

    report.html   what a person opens
    report.md     the same core as Markdown
    report.json   the same facts for a program
    recipe.json   the resolved recipe; `ponens run recipe.json` makes it all again

Run alone: `ponens report recipes/demo.toml`.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from evals import alone_page, page, scored_page
from evals.facts import (
    CostFacts,
    Facts,
    OriginFacts,
    QuestionFacts,
    ReplyFacts,
    StepFacts,
    ThrownFacts,
    change_of,
)
from prompts import choice
from storage import suspects
from storage.home import Home
from storage.parsed import REJECTS
from storage.questions import Stored
from storage.records import Question, Receipt
from storage.samples import BALLOTS, SAMPLES
from tasks import alone_report, scored_report
from tasks.step import Result, Step, Workshop, of

TOY_PARAMETERS = 10_000_000
_LONG = ("canary", "template", "question_template", "rationales")  # facts that no column has room for
_SUSPECTS = 10
Row = dict[str, Any]


class ReportSpec(BaseModel):
    """How much of the replies a report carries."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    texts: int = Field(
        2_000_000, ge=0, description="Most characters of sampled replies; fixed and broken questions come first."
    )


def step(spec: ReportSpec, recipe: str, receipts: Sequence[Receipt]) -> Step:
    """The step that writes the page. `recipe` is the resolved recipe as JSON."""
    by_name = {receipt.step: receipt for receipt in receipts}
    return Step(
        name="report",
        module=__name__,
        settings={**spec.model_dump(), "recipe": json.loads(recipe)},
        inputs={receipt.step: of(receipt) for receipt in receipts},
        work=lambda shop: _work(shop, spec, recipe, by_name),
        shelf="reports",
    )


def _work(shop: Workshop, spec: ReportSpec, recipe: str, receipts: Mapping[str, Receipt]) -> Result:
    html, text, facts = _pages(shop.home, spec, recipe, receipts)
    for name, content in (("report.html", html), ("report.md", text), ("recipe.json", recipe)):
        (shop.folder / name).write_text(content, "utf-8", errors="replace")
    (shop.folder / "report.json").write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))
    return Result({"bytes": (shop.folder / "report.html").stat().st_size})


def _pages(
    home: Home, spec: ReportSpec, recipe: str, receipts: Mapping[str, Receipt]
) -> tuple[str, str, Mapping[str, Any]]:
    """HTML, Markdown and facts of the recipe's kind of work, or of a base that was measured by itself."""
    if "paired" not in receipts["evaluate"].facts:
        alone = alone_report.gather(home, spec.texts, recipe, receipts)
        return alone_page.page(alone), alone_page.markdown(alone), alone
    if "kind" in receipts["evaluate"].facts:
        scored = scored_report.gather(home, spec.texts, recipe, receipts)
        return scored_page.page(scored), scored_page.markdown(scored), scored
    facts = gather(home, spec, recipe, receipts)
    return page.page(facts), page.markdown(facts), facts


def gather(home: Home, spec: ReportSpec, recipe: str, receipts: Mapping[str, Receipt]) -> Facts:
    """Everything the page shows, read from the artifacts that the receipts name."""
    content = json.loads(recipe)
    reason, train, evaluate = receipts["reason"], receipts["train"], receipts["evaluate"]
    return {
        "name": content["name"],
        "adapter": train.artifact.removeprefix("adapters/"),
        "base_model": content["train"]["base_model"],
        "toy": train.facts["parameters"] < TOY_PARAMETERS,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": "ponens run recipe.json",
        "recipe": recipe,
        "evaluation": evaluate.facts,  # type: ignore[typeddict-item]  # written by the evaluate step in this very form
        "questions": _questions(home, spec, receipts["parse"], evaluate),
        "steps": [_step(receipt) for receipt in receipts.values()],
        "thrown_away": _thrown_away(home.root, receipts),
        "costs": _costs(reason),
        "rationales": reason.facts["rationales"],
        # written by the reason step in this very form
        "suspects": suspects.load(home.root / reason.artifact, _SUSPECTS),  # type: ignore[typeddict-item]
        "training": scored_report.training(home.root, train),
        "lineage": _lineage(content, receipts),
    }


def _step(receipt: Receipt) -> StepFacts:
    shown: dict[str, object] = {
        name: value
        for name, value in receipt.facts.items()
        if name not in _LONG and isinstance(value, str | int | float | dict)
    }
    return {
        "name": receipt.step,
        "status": "ran",
        "seconds": receipt.seconds,
        "key": receipt.key,
        "digest": receipt.digest,
        "artifact": receipt.artifact,
        "facts": {} if receipt.step == "evaluate" else shown,
    }


def _thrown_away(root: Path, receipts: Mapping[str, Receipt]) -> list[ThrownFacts]:
    rejects = pl.read_parquet(root / receipts["parse"].artifact / REJECTS)
    counted = {
        "parse": Counter(rejects["reason"].to_list()),
        "reason": receipts["reason"].facts["rejected"],
        "assemble": receipts["assemble"].facts["dropped"],
        "train": {"cut at max_length": receipts["train"].facts["truncated"]},
    }
    return [
        {"where": where, "reason": reason, "count": count}
        for where, reasons in counted.items()
        for reason, count in sorted(reasons.items())
        if count
    ]


def _costs(reason: Receipt) -> CostFacts:
    total = reason.facts["total"]
    return {
        "requests": reason.facts["requests"],
        "from_ledger": reason.facts["from_ledger"],
        "tokens_in": total["tokens"]["in"],
        "tokens_out": total["tokens"]["out"],
        "money": total["cost"],
        "currency": "",
    }


def _lineage(recipe: Mapping[str, Any], receipts: Mapping[str, Receipt]) -> list[OriginFacts]:
    def inputs(step: str, name: str) -> str:
        return str(receipts[step].ingredients["inputs"][name])

    reason = receipts["reason"]
    source = (
        recipe["parse"]["path"] or f"{recipe['puzzles']['count']} generated puzzles, seed {recipe['puzzles']['seed']}"
    )
    origins: list[OriginFacts] = [
        {"what": "source", "name": str(source), "digest": inputs("parse", "source")},
        {"what": "teacher", "name": f"{reason.facts['teacher']}: {reason.facts['model']}", "digest": ""},
        {"what": "prompt", "name": choice.VERSION, "digest": ""},
        {"what": "base model", "name": recipe["train"]["base_model"], "digest": inputs("train", "base_model")},
        {"what": "snapshot", "name": receipts["assemble"].facts["snapshot"], "digest": receipts["assemble"].digest},
        {"what": "adapter", "name": receipts["train"].artifact, "digest": receipts["train"].digest},
    ]
    return origins + [
        {"what": "code", "name": name, "digest": str(receipt.ingredients["code"])} for name, receipt in receipts.items()
    ]


def _questions(home: Home, spec: ReportSpec, parse: Receipt, evaluate: Receipt) -> list[QuestionFacts]:
    questions = {q.id: q for q in Stored(home, parse)}
    ballots: dict[str, dict[str, Row]] = defaultdict(dict)
    for ballot in pl.read_parquet(home.root / evaluate.artifact / BALLOTS).iter_rows(named=True):
        ballots[ballot["question"]][_side(ballot["subject"])] = ballot
    samples: dict[tuple[str, str], dict[int, Row]] = defaultdict(dict)
    for sample in pl.read_parquet(home.root / evaluate.artifact / SAMPLES).iter_rows(named=True):
        samples[sample["question"], _side(sample["subject"])][sample["index"]] = sample
    told = [_question(questions[id], ballots[id], samples) for id in sorted(ballots)]
    room = spec.texts
    for one in sorted(told, key=lambda one: one["change"].startswith("both")):
        for side in (one["base"], one["adapter"]):
            room -= sum(map(len, side["texts"]))
            if room < 0:
                side["texts"] = []
    return told


def _side(subject: str) -> str:
    return "base" if subject == "base" else "adapter"


def _question(
    question: Question, ballots: Mapping[str, Row], samples: Mapping[tuple[str, str], Mapping[int, Row]]
) -> QuestionFacts:
    right = {
        side: ballot["winner"] is not None and ballot["winner"] == ballot["gold"] for side, ballot in ballots.items()
    }
    return {
        "id": question.id,
        "source_id": question.source_id,
        "problem": question.problem,
        "question": question.question,
        "options": list(question.options),
        "gold": ballots["base"]["gold"],
        "base": _reply(ballots["base"], samples[question.id, "base"]),
        "adapter": _reply(ballots["adapter"], samples[question.id, "adapter"]),
        "change": change_of(right["base"], right["adapter"]),
    }


def _reply(ballot: Row, samples: Mapping[int, Row]) -> ReplyFacts:
    greedy = samples[-1]
    votes = [samples[index] for index in sorted(samples) if index >= 0]
    return {
        "winner": ballot["winner"],
        "votes": ballot["votes"],
        "greedy": greedy["answer"],
        "greedy_text": greedy["text"],
        "greedy_extractor": greedy["extractor"],
        "texts": [vote["text"] for vote in votes],
        "extractors": [vote["extractor"] for vote in votes],
    }
