"""The report of a recipe of dialogues: receipts, dialogues and scores -> what the page shows.

For `tasks.report`, which writes it.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from evals.facts import OriginFacts, StepFacts, ThrownFacts, TrainingFacts, change_of
from evals.scored_page import ScoredFacts, ScoredQuestion, ScoredReply
from storage.adapters import ABOUT
from storage.dialogue_files import Dialogues
from storage.dialogues import Dialogue
from storage.home import Home
from storage.parsed import REJECTS
from storage.records import Receipt
from storage.scores import SCORES

TOY_PARAMETERS = 10_000_000
_LONG = ("canary", "template")  # facts that no column has room for
Row = dict[str, Any]


def gather(home: Home, texts: int, recipe: str, receipts: Mapping[str, Receipt]) -> ScoredFacts:
    """Everything the page shows; of replies at most `texts` characters, changed questions first."""
    content = json.loads(recipe)
    train, evaluate = receipts["train"], receipts["evaluate"]
    questions, left_out = _questions(home, texts, receipts["parse"], evaluate)
    return {
        "name": content["name"],
        "adapter": str(evaluate.facts["adapter_name"]),
        "base_model": content["train"]["base_model"],
        "toy": train.facts["parameters"] < TOY_PARAMETERS,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": "ponens run recipe.json",
        "recipe": recipe,
        "evaluation": dict(evaluate.facts),
        "questions": questions,
        "texts_left_out": left_out,
        "steps": [_step(receipt) for receipt in receipts.values()],
        "thrown_away": _thrown_away(home, receipts),
        "training": training(home.root, train),
        "lineage": _lineage(content, receipts),
    }


def training(root: Path, train: Receipt) -> TrainingFacts:
    """How the adapter was trained, from its receipt and, where it is still there, its history; `root` of the home."""
    try:
        rows = orjson.loads((root / train.artifact / ABOUT).read_bytes())["history"]
    except OSError:  # removed since; the numbers of the receipt are still there
        rows = []
    return {
        "rows": rows,
        "steps": train.facts.get("steps"),
        "trainable": train.facts.get("trainable"),
        "parameters": train.facts["parameters"],
        "trained_tokens": train.facts.get("trained_tokens"),
        "tokens_per_second": train.facts.get("tokens_per_second"),
        "seconds": train.facts.get("seconds"),
        "device": train.facts.get("device"),
    }


def _step(receipt: Receipt) -> StepFacts:
    shown: dict[str, object] = {
        n: v for n, v in receipt.facts.items() if n not in _LONG and isinstance(v, str | int | float | dict)
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


def _thrown_away(home: Home, receipts: Mapping[str, Receipt]) -> list[ThrownFacts]:
    rejects = pl.read_parquet(home.root / receipts["parse"].artifact / REJECTS)
    counted: dict[str, Mapping[str, int]] = {
        "parse": Counter(rejects["reason"].to_list()) + Counter(receipts["parse"].facts["dropped"]),
        "assemble": receipts["assemble"].facts["dropped"],
        "train": {"cut at max_length": receipts["train"].facts["truncated"]},
        "evaluate": receipts["evaluate"].facts["left_out"],
    }
    return [
        {"where": where, "reason": reason, "count": count}
        for where, reasons in counted.items()
        for reason, count in sorted(reasons.items())
        if count
    ]


def _lineage(recipe: Mapping[str, Any], receipts: Mapping[str, Receipt]) -> list[OriginFacts]:
    def inputs(step: str, name: str) -> str:
        return str(receipts[step].ingredients["inputs"][name])

    evaluated = receipts["evaluate"].facts
    origins: list[OriginFacts] = [
        {"what": "source", "name": str(recipe["parse"]["path"]), "digest": inputs("parse", "source")},
        {"what": "prompt", "name": str(evaluated["prompt"]), "digest": ""},
        {"what": "scorer", "name": str(evaluated["scorer"]), "digest": ""},
        {"what": "base model", "name": recipe["train"]["base_model"], "digest": inputs("train", "base_model")},
        {"what": "snapshot", "name": receipts["assemble"].facts["snapshot"], "digest": receipts["assemble"].digest},
        {"what": "adapter", "name": receipts["train"].artifact, "digest": receipts["train"].digest},
    ]
    return origins + [
        {"what": "code", "name": name, "digest": str(receipt.ingredients["code"])} for name, receipt in receipts.items()
    ]


def _questions(home: Home, texts: int, parse: Receipt, evaluate: Receipt) -> tuple[list[ScoredQuestion], int]:
    rows: dict[str, dict[str, list[Row]]] = defaultdict(lambda: {"base": [], "adapter": []})
    for row in pl.read_parquet(home.root / evaluate.artifact / SCORES).iter_rows(named=True):
        rows[row["question"]]["base" if row["subject"] == "base" else "adapter"].append(row)
    fixed, broken = (set(evaluate.facts["paired"][name]) for name in ("fixed_ids", "broken_ids"))
    told = [
        _question(dialogue, rows[dialogue.id]) for dialogue in Dialogues(home, parse, "test") if dialogue.id in rows
    ]
    left_out = 0
    for one in sorted(told, key=lambda one: (one["id"] not in fixed | broken, one["id"])):
        for side in (one["base"], one["adapter"]):
            for reply in list(side):
                texts -= len(reply["text"])
                if texts < 0 and not reply["wins"]:
                    side.remove(reply)
                    left_out += 1
    return told, left_out


def _question(dialogue: Dialogue, rows: Mapping[str, list[Row]]) -> ScoredQuestion:
    won = {side: next(row for row in of if row["wins"]) for side, of in rows.items()}
    counts = all(row["outcome"] not in ("gold-invalid", "undecided") for row in won.values())
    right = {side: row["outcome"] == "right" for side, row in won.items()}
    *before, asked, answer = dialogue.messages
    return {
        "id": dialogue.id,
        "source_id": dialogue.source_id,
        "before": [message.dict() for message in before],
        "asked": asked.content,
        "reference": answer.content,
        "base": [_reply(row) for row in rows["base"]],
        "adapter": [_reply(row) for row in rows["adapter"]],
        "change": change_of(right["base"], right["adapter"]) if counts else None,
    }


def _reply(row: Row) -> ScoredReply:
    return {
        "index": row["index"],
        "text": row["text"],
        "outcome": row["outcome"],
        "value": row["value"],
        "reason": row["reason"],
        "wins": row["wins"],
    }
