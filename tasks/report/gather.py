"""Receipts -> what a report shows of its run: where it came from, how it trained, what it cost, every question.

Where adapters that were there already are compared, or a base is measured by itself, there are receipts of parse and
evaluate alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from evals.evaluation import adapters, beside
from evals.report.facts import CostFacts, Form, OriginFacts, RunFacts, StepFacts, ThrownFacts, TrainingFacts
from storage.adapters.folder import AdapterFolder
from storage.home import Home
from storage.records import Receipt
from storage.tables import doubted_keys
from storage.tables.parsed import REJECTS
from tasks.models import base_models
from tasks.report import questions as by_form

TOY_PARAMETERS = 10_000_000
_LONG = ("canary", "template", "question_template", "rationales")  # facts that no column has room for
_PLAIN = 2_000_000  # characters of replies on a page where they stand uncompressed
_SUSPECTS = 10


def gather(home: Home, texts: int, recipe: str, receipts: Mapping[str, Receipt]) -> RunFacts:
    """Everything the page shows; of replies at most `texts` characters, changed and wrong questions first."""
    content, evaluate, reason = json.loads(recipe), receipts["evaluate"], receipts.get("reason")
    kind = "kind" in evaluate.facts
    form: Form = "alone" if "paired" not in evaluate.facts else "scored" if kind else "voted"
    common: RunFacts = {
        "form": form,
        "name": content["name"],
        "adapter": str(evaluate.facts.get("adapter_name", "")),
        "base_model": base_model(content),
        "toy": toy(home, receipts),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command(receipts),
        "recipe": recipe,
        "evaluation": dict(evaluate.facts),
        "steps": [step(receipt) for receipt in receipts.values()],
        "thrown_away": thrown_away(home, receipts),
        "costs": costs(reason) if reason else None,
        "training": training(home.root, receipts["train"]) if "train" in receipts else None,
        "lineage": lineage(content, receipts),
    }
    if form == "voted":
        of_letters: dict[str, Any] = {
            "questions": by_form.voted(home, texts, receipts["parse"], evaluate),
            "rationales": reason.facts["rationales"] if reason else None,
            "suspects": doubted_keys.load(home.root / reason.artifact, _SUSPECTS) if reason else [],
        }
        return common | of_letters  # type: ignore[return-value]  # it is Facts now: a union of TypedDicts is a plain dict
    reader = by_form.scored if form == "scored" else by_form.alone
    questions, left_out = reader(home, min(texts, _PLAIN), receipts["parse"], evaluate)
    return common | {"questions": questions, "texts_left_out": left_out}  # type: ignore[return-value]


def base_model(recipe: Mapping[str, Any]) -> str:
    """The base that a resolved recipe names: the one it trains on, or the one it measures."""
    return base_models.title(str((recipe["train"] or recipe["evaluate"])["base_model"]))


def command(receipts: Mapping[str, Receipt]) -> str:
    """What makes this report again, beside the resolved recipe."""
    evaluation = receipts["evaluate"].facts
    named = [f" --adapter {name}" for name in adapters(evaluation)]
    named += [f" --model {name}" for name in beside(evaluation)]
    if "train" in receipts or not named:
        return "ponens run recipe.json"
    return f"ponens evaluate recipe.json{''.join(named)}"


def toy(home: Home, receipts: Mapping[str, Receipt]) -> bool:
    """Whether the adapter is of a model too small for its figures to say anything; of an unknown size it is not."""
    if train := receipts.get("train"):
        parameters = train.facts["parameters"]
    else:
        first = next(iter(adapters(receipts["evaluate"].facts)), None)
        about = _about(home.root / "adapters" / first) if first else {}
        parameters = about.get("facts", {}).get("parameters")
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


def thrown_away(home: Home, receipts: Mapping[str, Receipt]) -> list[ThrownFacts]:
    """Counts by step and reason as rows, reasons in their order, zeros left out."""
    facts = {name: receipt.facts for name, receipt in receipts.items()}
    rejects = pl.read_parquet(home.root / receipts["parse"].artifact / REJECTS, glob=False)
    counted: dict[str, Mapping[str, int]] = {
        "parse": Counter(rejects["reason"].to_list()) + Counter(facts["parse"].get("dropped", {})),
        "reason": facts.get("reason", {}).get("rejected", {}),
        "assemble": facts.get("assemble", {}).get("dropped", {}),
        "train": {"cut at max_length": facts["train"]["truncated"]} if "train" in facts else {},
        "evaluate": facts["evaluate"].get("left_out", {}),
    }
    return [
        {"where": where, "reason": reason, "count": count}
        for where, reasons in counted.items()
        for reason, count in sorted(reasons.items())
        if count
    ]


def costs(reason: Receipt) -> CostFacts:
    """What the teacher was asked, and what it took."""
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


def lineage(recipe: Mapping[str, Any], receipts: Mapping[str, Receipt]) -> list[OriginFacts]:
    """Where the adapters came from; some origins have no digest, such as the prompt."""

    def inputs(step: str, name: str) -> str:
        return str(receipts[step].ingredients["inputs"][name])

    evaluate = receipts["evaluate"]
    source = (
        recipe["parse"]["path"] or f"{recipe['puzzles']['count']} generated puzzles, seed {recipe['puzzles']['seed']}"
    )
    named = {name: str(evaluate.facts[name]) for name in ("prompt", "scorer") if name in evaluate.facts}
    if reason := receipts.get("reason"):
        named = {"teacher": f"{reason.facts['teacher']}: {reason.facts['model']}", **named}
    origins: list[OriginFacts] = [{"what": "source", "name": str(source), "digest": inputs("parse", "source")}]
    origins += [{"what": what, "name": name, "digest": ""} for what, name in named.items()]
    origins.append({"what": "base model", "name": base_model(recipe), "digest": inputs("evaluate", "base_model")})
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
            for place, name in enumerate(adapters(evaluate.facts))
        ]
    for name in beside(evaluate.facts):
        origins.append({"what": "model", "name": name, "digest": inputs("evaluate", f"model {name}")})
    return origins + [
        {"what": "code", "name": name, "digest": str(receipt.ingredients["code"])} for name, receipt in receipts.items()
    ]
