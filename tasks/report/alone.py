"""The report of a base that was measured by itself: receipts, questions and replies -> what the page shows.

For `tasks.report.step`, which writes it.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl

from evals.report.alone_page import AloneFacts, AloneQuestion, AloneReply
from storage.home import Home
from storage.records import GREEDY, LETTERS, Receipt
from storage.tables.dialogue_files import Dialogues
from storage.tables.parsed import DROPS, REJECTS
from storage.tables.questions import Stored
from storage.tables.samples import BALLOTS, SAMPLES
from storage.tables.scores import SCORES
from tasks.report import gather as scored_report

Row = dict[str, Any]


def gather(home: Home, texts: int, recipe: str, receipts: Mapping[str, Receipt]) -> AloneFacts:
    """Everything the page shows; of replies at most `texts` characters, wrong questions first."""
    content = json.loads(recipe)
    parse, evaluate = receipts["parse"], receipts["evaluate"]
    questions = list((_scored if "kind" in evaluate.facts else _voted)(home, parse, evaluate))
    source, base = str(content["parse"]["path"] or "generated puzzles"), scored_report.base_model(content)
    tables = (pl.read_parquet(home.root / parse.artifact / file, glob=False) for file in (REJECTS, DROPS))
    lost = Counter(reason for table in tables for reason in table["reason"])
    return {
        "name": content["name"],
        "base_model": base,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": "ponens run recipe.json",
        "recipe": recipe,
        "evaluation": dict(evaluate.facts),
        "questions": questions,
        "texts_left_out": _cut(questions, texts),
        "steps": [scored_report.step(receipt) for receipt in receipts.values()],
        "thrown_away": scored_report.thrown({"parse": lost, "evaluate": evaluate.facts.get("left_out", {})}),
        "lineage": scored_report.lineage(source, base, {"prompt": str(evaluate.facts["prompt"])}, receipts),
    }


def _voted(home: Home, parse: Receipt, evaluate: Receipt) -> Iterator[AloneQuestion]:
    folder = home.root / evaluate.artifact
    ballots = {b["question"]: b for b in pl.read_parquet(folder / BALLOTS, glob=False).iter_rows(named=True)}
    said: dict[str, list[AloneReply]] = defaultdict(list)
    for sample in pl.read_parquet(folder / SAMPLES, glob=False).sort("index").iter_rows(named=True):
        if sample["index"] >= GREEDY:  # a forced letter is no text to read
            winner = ballots[sample["question"]]["winner"]
            wins = sample["index"] >= 0 and winner is not None and sample["answer"] == winner
            said[sample["question"]].append(_reply(sample, sample["answer"] or "–", sample["extractor"], wins=wins))
    for q in Stored(home, parse):
        if ballot := ballots.get(q.id):
            options = "\n".join(f"{letter}) {option}" for letter, option in zip(LETTERS, q.options, strict=False))
            yield {
                "id": q.id,
                "source_id": q.source_id,
                "asked": [q.problem, q.question, options],
                "reference": ballot["gold"],
                "right": ballot["winner"] == ballot["gold"],
                "replies": said[q.id],
            }


def _scored(home: Home, parse: Receipt, evaluate: Receipt) -> Iterator[AloneQuestion]:
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in pl.read_parquet(home.root / evaluate.artifact / SCORES, glob=False).sort("index").iter_rows(named=True):
        rows[row["question"]].append(row)
    for dialogue in Dialogues(home, parse, "test"):
        if own := rows.get(dialogue.id):
            outcome = next(row["outcome"] for row in own if row["wins"])
            yield {
                "id": dialogue.id,
                "source_id": dialogue.source_id,
                "asked": [m.content for m in dialogue.messages[:-1]],
                "reference": dialogue.messages[-1].content,
                "right": None if outcome in ("gold-invalid", "undecided") else outcome == "right",
                "replies": [_reply(row, row["outcome"], row["reason"], wins=row["wins"]) for row in own],
            }


def _reply(row: Row, said: str, how: str, *, wins: bool) -> AloneReply:
    name = "greedy" if row["index"] == GREEDY else f"vote {row['index'] + 1}"
    return {"name": name, "text": row["text"], "said": said, "how": how, "wins": wins}


def _cut(questions: list[AloneQuestion], texts: int) -> int:
    """Leave out replies beyond `texts` characters; how many."""
    left_out = 0
    for question in sorted(questions, key=lambda q: (q["right"] is not False, q["id"])):
        for reply in list(question["replies"]):
            texts -= len(reply["text"])
            if texts < 0:
                question["replies"].remove(reply)
                left_out += 1
    return left_out
