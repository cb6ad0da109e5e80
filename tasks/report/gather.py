"""The report of a recipe of dialogues: receipts, dialogues and scores -> what the page shows.

For `tasks.report.step`, which writes it, and shares what does not depend on the kind of work. Where adapters that
were there already are compared, there are receipts of parse and evaluate alone.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from evals.evaluation import TOGETHER
from evals.report.facts import OriginFacts, StepFacts, ThrownFacts, TrainingFacts, change_of
from evals.report.scored_page import ScoredFacts, ScoredQuestion, ScoredReply
from storage.adapters.folder import AdapterFolder
from storage.dialogues import Dialogue
from storage.home import Home
from storage.records import Receipt
from storage.tables.dialogue_files import Dialogues
from storage.tables.parsed import REJECTS
from storage.tables.scores import SCORES
from tasks.models import base_models

TOY_PARAMETERS = 10_000_000
_LONG = ("canary", "template", "question_template", "rationales")  # facts that no column has room for
_SILENT = {"gold-invalid", "undecided"}  # outcomes that say nothing of either side
Row = dict[str, Any]


def gather(home: Home, texts: int, recipe: str, receipts: Mapping[str, Receipt]) -> ScoredFacts:
    """Everything the page shows; of replies at most `texts` characters, changed questions first."""
    content, evaluate = json.loads(recipe), receipts["evaluate"]
    questions, left_out = _questions(home, texts, receipts["parse"], evaluate)
    named = {"prompt": str(evaluate.facts["prompt"]), "scorer": str(evaluate.facts["scorer"])}
    return {
        "name": content["name"],
        "adapter": str(evaluate.facts["adapter_name"]),
        "base_model": base_model(content),
        "toy": toy(home, receipts),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command(receipts),
        "recipe": recipe,
        "evaluation": dict(evaluate.facts),
        "questions": questions,
        "texts_left_out": left_out,
        "steps": [step(receipt) for receipt in receipts.values()],
        "thrown_away": _thrown_away(home, receipts),
        "training": training(home.root, receipts["train"]) if "train" in receipts else None,
        "lineage": lineage(str(content["parse"]["path"]), base_model(content), named, receipts),
    }


def base_model(recipe: Mapping[str, Any]) -> str:
    """The base that a resolved recipe names: the one it trains on, or the one it measures."""
    return base_models.title(str((recipe["train"] or recipe["evaluate"])["base_model"]))


def command(receipts: Mapping[str, Receipt]) -> str:
    """What makes this report again, beside the resolved recipe."""
    if "train" in receipts:
        return "ponens run recipe.json"
    return "ponens evaluate recipe.json" + "".join(f" --adapter {name}" for name in adapters(receipts["evaluate"]))


def adapters(evaluate: Receipt) -> list[str]:
    """The adapters that were evaluated; their vote together is none, and a base by itself has none."""
    first = evaluate.facts.get("adapter_name")
    names = [first, *evaluate.facts["others"]] if first else []
    return [name for name in names if not name.startswith(TOGETHER)]


def toy(home: Home, receipts: Mapping[str, Receipt]) -> bool:
    """Whether the adapter is of a model too small for its figures to say anything; of an unknown size it is not."""
    if train := receipts.get("train"):
        parameters = train.facts["parameters"]
    else:
        name = adapters(receipts["evaluate"])[0]
        parameters = _about(home.root / "adapters" / name).get("facts", {}).get("parameters")
    return parameters is not None and parameters < TOY_PARAMETERS


def training(root: Path, train: Receipt) -> TrainingFacts:
    """How the adapter was trained, from its receipt and, where it is still there, its history; `root` of the home."""
    return {
        "rows": _about(root / train.artifact).get("history", []),
        "steps": train.facts.get("steps"),
        "trainable": train.facts.get("trainable"),
        "parameters": train.facts["parameters"],
        "trained_tokens": train.facts.get("trained_tokens"),
        "tokens_per_second": train.facts.get("tokens_per_second"),
        "seconds": train.facts.get("seconds"),
        "device": train.facts.get("device"),
    }


def _about(adapter: Path) -> dict[str, Any]:
    """What stands beside an adapter; nothing where it was removed since."""
    try:
        return AdapterFolder(adapter).about
    except OSError:
        return {}


def step(receipt: Receipt) -> StepFacts:
    """A receipt as the page lists it, without facts that no column has room for."""
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


def thrown(counted: Mapping[str, Mapping[str, int]]) -> list[ThrownFacts]:
    """Counts by step and reason as rows, reasons in their order, zeros left out."""
    return [
        {"where": where, "reason": reason, "count": count}
        for where, reasons in counted.items()
        for reason, count in sorted(reasons.items())
        if count
    ]


def lineage(source: str, base: str, named: Mapping[str, str], receipts: Mapping[str, Receipt]) -> list[OriginFacts]:
    """Where the adapters came from; `named` are origins without a digest, such as the prompt."""

    def inputs(step: str, name: str) -> str:
        return str(receipts[step].ingredients["inputs"][name])

    evaluate = receipts["evaluate"]
    origins: list[OriginFacts] = [{"what": "source", "name": source, "digest": inputs("parse", "source")}]
    origins += [{"what": what, "name": name, "digest": ""} for what, name in named.items()]
    origins.append({"what": "base model", "name": base, "digest": inputs("evaluate", "base_model")})
    if train := receipts.get("train"):
        snapshot = receipts["assemble"]
        origins += [
            {"what": "snapshot", "name": snapshot.facts["snapshot"], "digest": snapshot.digest},
            {"what": "adapter", "name": train.artifact, "digest": train.digest},
        ]
    else:
        origins += [
            {
                "what": "adapter",
                "name": f"adapters/{name}",
                "digest": inputs("evaluate", f"adapter {name}" if place else "adapter"),
            }
            for place, name in enumerate(adapters(evaluate))
        ]
    return origins + [
        {"what": "code", "name": name, "digest": str(receipt.ingredients["code"])} for name, receipt in receipts.items()
    ]


def _thrown_away(home: Home, receipts: Mapping[str, Receipt]) -> list[ThrownFacts]:
    rejects = pl.read_parquet(home.root / receipts["parse"].artifact / REJECTS, glob=False)
    counted: dict[str, Mapping[str, int]] = {
        "parse": Counter(rejects["reason"].to_list()) + Counter(receipts["parse"].facts["dropped"])
    }
    if "train" in receipts:
        counted["assemble"] = receipts["assemble"].facts["dropped"]
        counted["train"] = {"cut at max_length": receipts["train"].facts["truncated"]}
    return thrown(counted | {"evaluate": receipts["evaluate"].facts["left_out"]})


def _questions(home: Home, texts: int, parse: Receipt, evaluate: Receipt) -> tuple[list[ScoredQuestion], int]:
    rows: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in pl.read_parquet(home.root / evaluate.artifact / SCORES, glob=False).iter_rows(named=True):
        rows[row["question"]][row["subject"]].append(row)
    fixed, broken = (set(evaluate.facts["paired"][name]) for name in ("fixed_ids", "broken_ids"))
    told = [
        _question(dialogue, [rows[dialogue.id][name] for name in ("base", *adapters(evaluate))])
        for dialogue in Dialogues(home, parse, "test")
        if dialogue.id in rows
    ]
    left_out = 0
    for one in sorted(told, key=lambda one: (one["id"] not in fixed | broken, one["id"])):
        for side in (one["base"], one["adapter"], *one["others"]):
            for reply in list(side):
                texts -= len(reply["text"])
                if texts < 0 and not reply["wins"]:
                    side.remove(reply)
                    left_out += 1
    return told, left_out


def _question(dialogue: Dialogue, replies: Sequence[Sequence[Row]]) -> ScoredQuestion:
    """`replies` are those of the base, of the first adapter, and of all others."""
    won = [next(row["outcome"] for row in of if row["wins"]) for of in replies[:2]]
    *before, asked, answer = dialogue.messages
    base, adapter, *others = ([_reply(row) for row in of] for of in replies)
    return {
        "id": dialogue.id,
        "source_id": dialogue.source_id,
        "before": [message.dict() for message in before],
        "asked": asked.content,
        "reference": answer.content,
        "base": base,
        "adapter": adapter,
        "others": others,
        "change": None if _SILENT.intersection(won) else change_of(won[0] == "right", won[1] == "right"),
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
