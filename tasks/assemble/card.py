"""The data card of a snapshot, gathered from its build and written beside it.

card.json            sources, licences as given, counts, leak check, keys, lengths, drops, examples
card.md, card.html   the same in words, no part of the snapshot (`tasks.runtime.pages`)

A card describes the build that wrote it last: builds that come to the same examples share a snapshot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from evals import corrected
from evals.report import card_facts
from storage.dialogues import Kind
from storage.tables.parsed import DROPS, REJECTS
from storage.tables.snapshots import Build, Counts
from tasks.kinds.registry import KINDS
from tasks.models import base_models
from tasks.runtime.pages import Pages

MOST_TOKENIZED = 20_000  # examples: a second or two
NOT_STATED = "not stated"
FACTS = "card.json"


def write(
    folder: Path,
    build: Build,
    counts: Counts,
    *,
    name: str,
    prompt: str,
    license: str | Mapping[str, str],
    base_model: str,
    questions: Path,
    shuffled: Mapping[str, int],
    keys: Mapping[str, int],
    kind: Kind = "choice",
    corrections: Mapping[str, Mapping[str, int]] | None = None,
) -> None:
    """Write the card of what `build` has written into `folder`.

    `license` is for all sources or by source file; `keys` counts the letters of shuffled copies; `questions`
    is the parse step's file of records, beside which its rejects and drops lie; `corrections` are its counts of what
    people said of keys. Tokens are counted where the
    tokenizer of `base_model` is on this machine.
    """
    found = build.describe()
    letters = {row["letter"]: row["asked"] for row in found["letters"]}
    found["letters"] = [
        {"letter": letter, "asked": letters.get(letter, 0), "taught": letters.get(letter, 0) + keys.get(letter, 0)}
        for letter in sorted({*letters, *keys})
    ]
    work = KINDS[kind]
    found["leaks"] = {
        name.replace("problems", work.groups).replace("questions", work.records): count
        for name, count in found["leaks"].items()
    }
    facts: card_facts.CardFacts = {
        "name": name,
        "snapshot": counts.identity[:16],
        "prompt": prompt,
        "made_of": _made_of(found, kind),
        "names": (work.records, work.groups),
        "licenses": {row["file"]: _license(license, row["file"]) for row in found["sources"]},
        "description": found,
        "tokens": _tokens(build, base_model),
        "drops": _drops(questions.parent, counts),
        "shuffled": shuffled,
        "corrected": corrected.told(corrections),
    }
    (folder / FACTS).write_bytes(orjson.dumps(facts, default=str))


def _pages(folder: Path, facts: Mapping[str, Any]) -> dict[str, str]:
    """The card in words, from what `write` left in the snapshot's folder."""
    from evals.report import card

    found = orjson.loads((folder / FACTS).read_bytes())
    return {"card.md": card.markdown(found), "card.html": card.card(found)}


PAGES = Pages("evals.report.card", _pages)


def _made_of(found: Mapping[str, Any], kind: Kind) -> str:
    if KINDS[kind].letters:
        return "a question as prompt, a rationale that ends in its answer as completion."
    said = "what stands before an answer as prompt, the last answer that is to be learnt as completion."
    if preferred := found["preferred"]:
        said += f" {preferred:,} come from preference pairs: the chosen answer is taught, the rejected one is left out."
    return said


def _license(given: str | Mapping[str, str], file: str) -> str:
    return (given if isinstance(given, str) else given.get(file, "")) or NOT_STATED


def _drops(parsed: Path, counts: Counts) -> list[tuple[str, str, int]]:
    steps: dict[str, Mapping[str, Any]] = {
        "parse": _reasons(parsed / REJECTS) + _reasons(parsed / DROPS),
        "reason": counts.rejections,
        "assemble": counts.dropped,
    }
    return [(step, reason, n) for step, reasons in steps.items() for reason, n in sorted(reasons.items())]


def _reasons(file: Path) -> Counter[str]:
    return Counter(pl.read_parquet(file, columns=["reason"], glob=False)["reason"].to_list() if file.exists() else [])


def _tokens(build: Build, base_model: str) -> card_facts.TokenFacts | None:
    file = base_models.tokenizer(base_model) if base_model else None
    if file is None:
        return None
    try:
        from tokenizers import Tokenizer
    except ImportError:
        return None
    encode = Tokenizer.from_file(str(file)).encode_batch
    texts = build.texts(MOST_TOKENIZED)
    lengths = [len(found.ids) for found in encode([asked + told for asked, told in texts], add_special_tokens=False)]
    return {
        "tokenizer": base_models.spelling(base_model),
        "rows": len(lengths),
        "quantiles": card_facts.quantiles(lengths),
        "bins": card_facts.bins(lengths),
    }
