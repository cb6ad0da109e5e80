"""References of text-to-SQL, tried before anything is paid for: which can be run, and why the others cannot.

Each is run once, on a small generated database and on the real one where there is one. One without a schema that can be
read, and without a database, is compared as text.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from storage.dialogues import Dialogue
from storage.records import UsageError, failure
from storage.sources import sqlite_files
from tasks.kinds.text_to_sql import SqlSpec

MOST, FEW = 2_000, 300  # references that are tried: of a step, of a file that is only looked at
CODE = ("tasks.parse.reference_queries", "tasks.kinds.text_to_sql", "tasks.sandbox.child")  # what shapes the answer
_CREW = 4
_NAMED = re.compile(r'".*?"|\'.*?\'|(?<=: )\S+$')


def tried(spec: SqlSpec, dialogues: Iterable[Dialogue], most: int = MOST) -> dict[str, Any]:
    """Counts of the first references: `run`, `text` and, by reason, `cannot`; one of each reason in `examples`."""
    asked = list(islice((d for d in dialogues if d.task == "sql"), most))
    counts: Counter[str] = Counter()
    cannot: Counter[str] = Counter()
    examples: dict[str, str] = {}
    with ExitStack() as stack:
        count = min(_CREW, len(os.sched_getaffinity(0)), len(asked) // 20 + 1)
        free: SimpleQueue[Any] = SimpleQueue()
        for scorer in spec.scorers(stack, count):
            free.put(scorer)

        def one(dialogue: Dialogue) -> str:
            scorer = free.get()
            try:
                return str(scorer.unusable(dialogue))
            except Exception as error:  # a reference ends no parsing, whatever it is
                return f"error: {failure(error)}"
            finally:
                free.put(scorer)

        with ThreadPoolExecutor(count) as pool:
            for dialogue, why in zip(asked, pool.map(one, asked), strict=True):
                counts["run" if not why else "text" if why == "text" else "cannot"] += 1
                if why and why != "text":
                    kind = _NAMED.sub("…", why)
                    cannot[kind] += 1
                    examples.setdefault(kind, f"{dialogue.file}:{dialogue.line} {why}: {dialogue.messages[-1].content}")
    return {
        "tried": len(asked),
        **{name: counts[name] for name in ("run", "text")},
        "cannot": dict(cannot.most_common()),
        "examples": list(examples.values())[:5],
    }


def of_source(paths: Iterable[Path], dialogues: Sequence[Dialogue]) -> dict[str, Any]:
    """The same for rows that are only looked at: as SQLite's, on real databases that lie beside them."""
    roots = [str(root) for root in sqlite_files.beside(paths)] or None
    return tried(SqlSpec(databases_at=roots), dialogues, FEW) if dialogues else {}


def warnings(found: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """What a user should know of references, in the form of a source's oddities."""
    told: list[dict[str, Any]] = []
    if not found:
        return told
    if lost := sum(found["cannot"].values()):
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in list(found["cannot"].items())[:5])
        share = f"{100 * lost / found['tried']:.1f} %"
        message = f"{lost:,} of {found['tried']:,} references ({share}) cannot be run and count for nothing: {reasons}"
        told.append({"kind": "references", "count": lost, "message": message, "examples": found["examples"]})
    if text := found["text"]:
        message = (
            f"{text:,} of {found['tried']:,} references have no schema to run on: replies to them are compared as text"
        )
        told.append({"kind": "references-as-text", "count": text, "message": message, "examples": []})
    return told


def outlook(spec: SqlSpec, found: Mapping[str, Any] | None) -> str:
    """How references will be tried, in a sentence for a plan; once they were, how many of them can be run."""
    if found:
        return f"{found['run']:,} of {found['tried']:,} references that were tried can be run"
    engine = "SQLite" if spec.dialect == "sqlite" else "DuckDB"
    real = f" and on the real ones in {', '.join(map(str, spec.roots))}" if spec.roots and engine == "SQLite" else ""
    return (
        f"parse will run the test split's references, {MOST:,} of them at most, once each by {engine} on a generated "
        f"database{real}; what cannot be run is counted by reason, and where none can be, nothing further is done"
    )


def require(found: Mapping[str, Any] | None) -> None:
    """UsageError where no reference could be compared with: all that would follow would be in vain."""
    if found and found["tried"] and not found["run"] and not found["text"]:
        raise UsageError(
            f"none of {found['tried']:,} references of the test split can be run",
            seen="\n            ".join(found["examples"][:3]),
            expected="queries that run on the schema beside them",
            hint="set [evaluate] dialect to whose SQL this is, or mend the rows: `ponens parse FILE` lists the reasons",
        )
