"""report: receipts, ballots and samples -> one self-contained page.

    report.html   what a person opens
    report.md     the same core as Markdown
    report.json   the same facts for a program
    recipe.json   the resolved recipe; `ponens run recipe.json` makes it all again

Where adapters that were there already are compared, the receipts are those of parse and evaluate alone, and
the page leaves out what these do not tell. Run alone: `ponens report recipes/demo.toml`.
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

from evals.report import alone_page, page, scored_page
from evals.report.facts import CostFacts, Facts, OriginFacts, QuestionFacts, ReplyFacts, ThrownFacts, change_of
from prompts import choice
from storage.home import Home
from storage.records import GREEDY, Question, Receipt
from storage.tables import doubted_keys
from storage.tables.parsed import REJECTS
from storage.tables.questions import Stored
from storage.tables.samples import BALLOTS, SAMPLES
from tasks.kinds.choice import read
from tasks.report import alone as alone_report
from tasks.report import gather as scored_report
from tasks.runtime.step import Result, Step, Workshop, of

_SUSPECTS = 10
_NOT_RUN = ("tasks.models.base_models",)  # which base it was; a report reads what an evaluation said of it
_PLAIN = 2_000_000  # characters of replies on a page of dialogues, where they stand uncompressed
Row = dict[str, Any]


class ReportSpec(BaseModel):
    """How much of the replies a report carries."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    texts: int = Field(
        20_000_000, ge=0, description="Most characters of sampled replies; fixed and broken questions come first."
    )


def step(spec: ReportSpec, recipe: str, receipts: Sequence[Receipt]) -> Step:
    """The step that writes the page. `recipe` is the resolved recipe as JSON."""
    by_name = {receipt.step: receipt for receipt in receipts}
    return Step(
        name="report",
        code=(__name__,),
        settings={**spec.model_dump(), "recipe": json.loads(recipe)},
        inputs={receipt.step: of(receipt) for receipt in receipts},
        work=lambda shop: _work(shop, spec, recipe, by_name),
        shelf="reports",
        apart=_NOT_RUN,
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
        alone = alone_report.gather(home, min(spec.texts, _PLAIN), recipe, receipts)
        return alone_page.page(alone), alone_page.markdown(alone), alone
    if "kind" in receipts["evaluate"].facts:
        scored = scored_report.gather(home, min(spec.texts, _PLAIN), recipe, receipts)
        return scored_page.page(scored), scored_page.markdown(scored), scored
    facts = gather(home, spec, recipe, receipts)
    return page.page(facts), page.markdown(facts), facts


def gather(home: Home, spec: ReportSpec, recipe: str, receipts: Mapping[str, Receipt]) -> Facts:
    """Everything the page shows, read from the artifacts that the receipts name."""
    content, evaluate, reason = json.loads(recipe), receipts["evaluate"], receipts.get("reason")
    return {
        "name": content["name"],
        "adapter": evaluate.facts["adapter_name"],
        "base_model": scored_report.base_model(content),
        "toy": scored_report.toy(home, receipts),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": scored_report.command(receipts),
        "recipe": recipe,
        "evaluation": evaluate.facts,  # type: ignore[typeddict-item]  # written by the evaluate step in this very form
        "questions": _questions(home, spec, receipts["parse"], evaluate),
        "steps": [scored_report.step(receipt) for receipt in receipts.values()],
        "thrown_away": _thrown_away(home.root, receipts),
        "costs": _costs(reason) if reason else None,
        "rationales": reason.facts["rationales"] if reason else None,
        # written by the reason step in this very form
        "suspects": doubted_keys.load(home.root / reason.artifact, _SUSPECTS) if reason else [],  # type: ignore[typeddict-item]
        "training": scored_report.training(home.root, receipts["train"]) if "train" in receipts else None,
        "lineage": _lineage(content, receipts),
    }


def _thrown_away(root: Path, receipts: Mapping[str, Receipt]) -> list[ThrownFacts]:
    rejects = pl.read_parquet(root / receipts["parse"].artifact / REJECTS, glob=False)
    counted: dict[str, Mapping[str, int]] = {"parse": Counter(rejects["reason"].to_list())}
    if "train" in receipts:
        counted["reason"] = receipts["reason"].facts["rejected"]
        counted["assemble"] = receipts["assemble"].facts["dropped"]
        counted["train"] = {"cut at max_length": receipts["train"].facts["truncated"]}
    return scored_report.thrown(counted)


def _costs(reason: Receipt) -> CostFacts:
    total = reason.facts["total"]
    return {
        "requests": reason.facts["requests"],
        "from_ledger": reason.facts["from_ledger"],
        "tokens_in": total["tokens"]["in"],
        "tokens_out": total["tokens"]["out"],
        "money": total["cost"],
        "estimated": total["estimated"],
        "currency": "",
    }


def _lineage(recipe: Mapping[str, Any], receipts: Mapping[str, Receipt]) -> list[OriginFacts]:
    reason = receipts.get("reason")
    source = (
        recipe["parse"]["path"] or f"{recipe['puzzles']['count']} generated puzzles, seed {recipe['puzzles']['seed']}"
    )
    named = {"prompt": choice.VERSION}
    if reason:
        named = {"teacher": f"{reason.facts['teacher']}: {reason.facts['model']}", **named}
    return scored_report.lineage(str(source), scored_report.base_model(recipe), named, receipts)


def _questions(home: Home, spec: ReportSpec, parse: Receipt, evaluate: Receipt) -> list[QuestionFacts]:
    questions = {q.id: q for q in Stored(home, parse)}
    adapter, others = evaluate.facts["adapter_name"], evaluate.facts["others"]
    ballots: dict[str, dict[str, Row]] = defaultdict(dict)
    for ballot in pl.read_parquet(home.root / evaluate.artifact / BALLOTS, glob=False).iter_rows(named=True):
        ballots[ballot["question"]][ballot["subject"]] = ballot
    samples: dict[tuple[str, str], dict[int, Row]] = defaultdict(dict)
    for sample in pl.read_parquet(home.root / evaluate.artifact / SAMPLES, glob=False).iter_rows(named=True):
        samples[sample["question"], sample["subject"]][sample["index"]] = sample
    told = []
    for id in sorted(ballots):
        replies = {
            name: _reply(questions[id], ballots[id][name], samples[id, name]) for name in ("base", adapter, *others)
        }
        told.append(_question(questions[id], replies, str(ballots[id]["base"]["gold"])))
    room = spec.texts
    for one in sorted(told, key=lambda one: one["change"].startswith("both")):
        for side in (one["base"], one["adapter"], *one["others"].values()):
            room -= sum(map(len, side["texts"]))
            if room < 0:
                side["texts"] = []
    return told


def _question(question: Question, replies: Mapping[str, ReplyFacts], gold: str) -> QuestionFacts:
    """`replies` are those of the base, of the first adapter, and of all others."""
    base, adapter, *_ = replies.values()
    return {
        "id": question.id,
        "source_id": question.source_id,
        "problem": question.problem,
        "question": question.question,
        "options": list(question.options),
        "gold": gold,
        "base": base,
        "adapter": adapter,
        "others": dict(list(replies.items())[2:]),
        "change": change_of(base["winner"] == gold, adapter["winner"] == gold),
    }


def _reply(question: Question, ballot: Row, samples: Mapping[int, Row]) -> ReplyFacts:
    """One subject's replies, each with the place that its answer was read from; a vote of several has none."""
    greedy = samples.get(GREEDY)
    votes = [samples[index] for index in sorted(samples) if index >= 0]
    return {
        "winner": ballot["winner"],
        "votes": ballot["votes"],
        "greedy": greedy["answer"] if greedy else None,
        "greedy_text": greedy["text"] if greedy else "",
        "greedy_extractor": greedy["extractor"] if greedy else "",
        "greedy_at": _at(question, greedy) if greedy else None,
        "texts": [vote["text"] for vote in votes],
        "extractors": [vote["extractor"] for vote in votes],
        "at": [_at(question, vote) for vote in votes],
    }


def _at(question: Question, sample: Row) -> list[int] | None:
    """Where the extractor fired; samples keep what it read and not where, and the text gives that again."""
    at = read(question, sample["index"], sample["text"], sample["finish"]).at
    return None if at is None else list(at)
