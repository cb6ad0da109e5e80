"""The report of a base that was measured by itself: receipts, questions and replies -> what the page shows.

For `tasks.report`, which writes it.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl

from evals.alone_page import AloneFacts, AloneQuestion, AloneReply
from evals.facts import OriginFacts, StepFacts, ThrownFacts
from storage.dialogue_files import Dialogues
from storage.home import Home
from storage.parsed import DROPS, REJECTS
from storage.questions import Stored
from storage.records import GREEDY, LETTERS, Receipt
from storage.samples import BALLOTS, SAMPLES
from storage.scores import SCORES

Row = dict[str, Any]


def gather(home: Home, texts: int, recipe: str, receipts: Mapping[str, Receipt]) -> AloneFacts:
    """Everything the page shows; of replies at most `texts` characters, wrong questions first."""
    content = json.loads(recipe)
    parse, evaluate = receipts["parse"], receipts["evaluate"]
    questions = list((_scored if "kind" in evaluate.facts else _voted)(home, parse, evaluate))
    return {
        "name": content["name"],
        "base_model": content["evaluate"]["base_model"],
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": "ponens run recipe.json",
        "recipe": recipe,
        "evaluation": dict(evaluate.facts),
        "questions": questions,
        "texts_left_out": _cut(questions, texts),
        "steps": [_step(receipt) for receipt in receipts.values()],
        "thrown_away": _thrown_away(home, parse, evaluate),
        "lineage": _lineage(content, parse, evaluate),
    }


def _voted(home: Home, parse: Receipt, evaluate: Receipt) -> Iterator[AloneQuestion]:
    folder = home.root / evaluate.artifact
    ballots = {b["question"]: b for b in pl.read_parquet(folder / BALLOTS).iter_rows(named=True)}
    said: dict[str, list[AloneReply]] = defaultdict(list)
    for sample in pl.read_parquet(folder / SAMPLES).sort("index").iter_rows(named=True):
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
    for row in pl.read_parquet(home.root / evaluate.artifact / SCORES).sort("index").iter_rows(named=True):
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


def _step(receipt: Receipt) -> StepFacts:
    return {
        "name": receipt.step,
        "status": "ran",
        "seconds": receipt.seconds,
        "key": receipt.key,
        "digest": receipt.digest,
        "artifact": receipt.artifact,
        "facts": {},
    }


def _thrown_away(home: Home, parse: Receipt, evaluate: Receipt) -> list[ThrownFacts]:
    reasons = [pl.read_parquet(home.root / parse.artifact / file)["reason"].to_list() for file in (REJECTS, DROPS)]
    counted: dict[str, Mapping[str, int]] = {
        "parse": Counter(reasons[0] + reasons[1]),
        "evaluate": evaluate.facts.get("left_out", {}),
    }
    return [
        {"where": where, "reason": reason, "count": count}
        for where, found in counted.items()
        for reason, count in sorted(found.items())
    ]


def _lineage(recipe: Mapping[str, Any], parse: Receipt, evaluate: Receipt) -> list[OriginFacts]:
    path = recipe["parse"]["path"] or f"{(recipe['puzzles'] or {}).get('count')} generated puzzles"
    base = str(evaluate.ingredients["inputs"]["base_model"])
    return [
        {"what": "source", "name": str(path), "digest": str(parse.ingredients["inputs"]["source"])},
        {"what": "prompt", "name": str(evaluate.facts["prompt"]), "digest": ""},
        {"what": "base model", "name": recipe["evaluate"]["base_model"], "digest": base},
        *(OriginFacts(what="code", name=one.step, digest=str(one.ingredients["code"])) for one in (parse, evaluate)),
    ]
