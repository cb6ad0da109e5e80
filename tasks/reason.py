"""reason: ask a teacher for a rationale of every question with a key, keep those that agree with it.

Rows in: `questions.parquet` of the parse step (splits train and valid). Rows out: `rationales.parquet`,
one row a request, kept or not and why, ordered by question and sample. Every reply comes out of the
ledger, so the same ledger gives the same table whatever the order, the workers or the interruptions.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from prompts import choice
from storage.ledger import Entry, Ledger, Tokens
from storage.questions import load
from storage.records import Message, PonensError, Question, Receipt, UsageError
from tasks.step import Facts, Result, Step, Workshop, of
from tasks.teachers.ask import ask_all
from tasks.teachers.build import model_name
from tasks.teachers.terms import AskSpec, Request, Tally, request

log = logging.getLogger("ponens")
TABLE = "rationales.parquet"
SCHEMA = pa.schema(
    [
        ("question", pa.string()),
        ("sample", pa.int32()),
        ("text", pa.string()),
        ("answer", pa.string()),
        ("extractor", pa.string()),
        ("kept", pa.bool_()),
        ("reason", pa.string()),
        ("model", pa.string()),
        ("prompt", pa.string()),
        ("request", pa.string()),
    ]
)
_CHUNK = 2000


class ReasonSpec(AskSpec):
    """The recipe's [reason]. `prompt` shows the key (explain) or not (solve); the embedded teacher never sees it."""

    samples: int = Field(default=1, ge=1, le=64, description="Rationales asked for each question.")
    prompt: Literal["explain", "solve"] | None = Field(
        default=None, description="explain shows the key to the teacher, solve does not."
    )
    max_unanswered: float = Field(default=0.0, ge=0, le=1, description="Share of requests that may stay unanswered.")

    @property
    def asks(self) -> Literal["explain", "solve"]:
        return self.prompt or ("solve" if self.teacher == "embedded" else "explain")

    @property
    def settings(self) -> dict[str, Any]:
        """What shapes the result; how fast, how patiently, where and at what price does not."""
        return {
            "model": model_name(self),
            "prompt": f"{choice.VERSION}/{self.asks}",
            "samples": self.samples,
            "max_tokens": self.max_tokens,
            "max_unanswered": self.max_unanswered,
            **self.sampling,
        }


def step(spec: ReasonSpec, questions: Receipt) -> Step:
    """The step that turns parsed questions into rationales."""
    return Step(
        name="reason",
        module="tasks.reason",
        settings=spec.settings,
        inputs={"questions": of(questions)},
        work=lambda shop: reason(spec, load(shop.home, questions), shop),
        shelf="rationales",
        tables={"rationales": TABLE},
    )


def reason(spec: ReasonSpec, questions: list[Question], shop: Workshop) -> Result:
    """Ask what the ledger does not have, then write the table from the ledger.

    PonensError if a limit was reached or too much stayed unanswered; what was answered is kept.
    """
    start = time.monotonic()
    asked = wanted(questions)
    total = len(asked) * spec.samples
    with Ledger(shop.home, durable=not spec.free) as ledger:
        plan = (item for _, item in requests(spec, asked))
        tally = ask_all(spec, plan, total, ledger, shop.progress, lambda item: _guess(spec, item.messages), shop.secret)
        if tally.limit:
            raise _limited(spec, tally, total)
        facts, identity = write(spec, asked, ledger, shop.folder / TABLE)
    unanswered = facts["unanswered"]
    if unanswered > spec.max_unanswered * total:
        raise PonensError(
            f"{unanswered} of {total} requests stayed without an answer",
            seen=", ".join(f"{count} {name}" for name, count in sorted(tally.outcomes.items())),
            expected=f"at most {spec.max_unanswered:.1%} (max_unanswered)",
            hint=f"run again: only those {unanswered} are asked again",
        )
    return Result({**_spent(tally), **facts, "seconds": round(time.monotonic() - start, 3)}, identity)


def wanted(questions: list[Question]) -> list[Question]:
    """The questions to ask for, by id: those with a key that are not kept back for testing, each once."""
    chosen = {q.id: q for q in questions if q.answer is not None and q.split != "test"}
    if not chosen:
        raise UsageError(
            "there is nothing to reason about",
            seen=f"{len(questions)} questions, none with an answer outside the test split",
            expected="questions with answers",
        )
    return [chosen[key] for key in sorted(chosen)]


def requests(spec: ReasonSpec, questions: list[Question]) -> Iterator[tuple[Question, Request]]:
    """Every request, in the order of the table."""
    render = {"explain": choice.explain, "solve": choice.solve}[spec.asks]
    for question in questions:
        messages = render(question)
        for sample in range(spec.samples):
            yield question, request(spec, messages, sample)


def write(spec: ReasonSpec, questions: list[Question], ledger: Ledger, path: Path) -> tuple[Facts, str]:
    """The table of rationales, its counts and its logical digest. Memory does not grow with it."""
    sha, rejected, total = hashlib.sha256(), Counter[str](), Tally()
    kept = unanswered = rows = 0
    chunk: list[dict[str, Any]] = []
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for question, item in requests(spec, questions):
            entry = ledger.find(item.key)
            row = _row(spec, question, item, entry)
            sha.update(orjson.dumps(list(row.values())))
            if entry is not None:
                total.pay(entry)
            rows += 1
            kept += row["kept"]
            unanswered += row["reason"] == "unanswered"
            if row["reason"] not in (None, "unanswered"):
                rejected[row["reason"]] += 1
            chunk.append(row)
            if len(chunk) == _CHUNK:
                writer.write_table(pa.Table.from_pylist(chunk, SCHEMA))
                chunk = []
        writer.write_table(pa.Table.from_pylist(chunk, SCHEMA))
    facts = {
        "teacher": spec.teacher,
        "model": model_name(spec),
        "questions": len(questions),
        "requests": rows,
        "kept": kept,
        "yield": round(kept / rows, 4),
        "rejected": dict(sorted(rejected.items())),
        "unanswered": unanswered,
        "total": {"tokens": total.tokens.dict(), "cost": _round(total.spent)},
    }
    return facts, sha.hexdigest()


def _row(spec: ReasonSpec, question: Question, item: Request, entry: Entry | None) -> dict[str, Any]:
    answer = extractor = None
    if entry is None:
        why: str | None = "unanswered"
    elif entry.outcome != "answered":
        why = {"cut": "truncated", "refused": "refused"}[entry.outcome]
    else:
        reading = choice.read(entry.text, question)
        answer, extractor = reading.answer, reading.extractor
        why = extractor if answer is None else "disagrees" if answer != question.answer else None
    return {
        "question": question.id,
        "sample": item.sample,
        "text": entry.text if entry else None,
        "answer": answer,
        "extractor": extractor,
        "kept": why is None,
        "reason": why,
        "model": model_name(spec),
        "prompt": f"{choice.VERSION}/{spec.asks}",
        "request": item.key,
    }


def estimate(spec: ReasonSpec, questions: list[Question], ledger: Ledger) -> Facts:
    """What asking would send and cost, in the words of the step's facts; sends nothing.

    Tokens are guessed: from the text's length, and 400 a reply or `max_tokens` where that is less.
    """
    asked = wanted(questions)
    sent = to_ask = 0
    for _, item in requests(spec, asked):
        if not ledger.settled(item.key, spec.max_tokens, again=spec.again):
            to_ask += 1
            sent += _tokens_of(item.messages)
    total = len(asked) * spec.samples
    tokens = Tokens(sent, to_ask * _reply_tokens(spec))
    return {
        "estimate": True,
        "teacher": spec.teacher,
        "model": model_name(spec),
        "questions": len(asked),
        "requests": total,
        "asked": to_ask,
        "from_ledger": total - to_ask,
        "kept": None,
        "rejected": {},
        "unanswered": 0,
        "tokens": tokens.dict(),
        "cost": _round(spec.price.of(tokens)) if spec.price else (None if to_ask else 0.0),
        "seconds": None,
    }


def _guess(spec: ReasonSpec, messages: tuple[Message, ...]) -> float:
    return spec.price.of(Tokens(_tokens_of(messages), _reply_tokens(spec))) if spec.price else 0.0


def _tokens_of(messages: tuple[Message, ...]) -> int:
    """About four characters a token in Latin script, one and a half in others."""
    text = "".join(m.content for m in messages)
    latin = sum(map(str.isascii, text))
    return round(latin / 4 + (len(text) - latin) / 1.5) + 10


def _reply_tokens(spec: ReasonSpec) -> int:
    return min(400, spec.max_tokens or 400)


def _spent(tally: Tally) -> Facts:
    return {
        "asked": tally.asked,
        "from_ledger": tally.from_ledger,
        "tokens": tally.tokens.dict(),
        "cost": _round(tally.spent),
    }


def _round(cost: float | None) -> float | None:
    return None if cost is None else round(cost, 6)


def _limited(spec: ReasonSpec, tally: Tally, total: int) -> PonensError:
    cost = "unknown" if tally.spent is None else f"{tally.spent:.4f}"
    return PonensError(
        f"{tally.limit} = {getattr(spec, tally.limit)} is reached; {tally.left} of {total} requests were not asked",
        seen=f"{tally.asked} asked in this run, cost {cost}",
        hint=f"raise {tally.limit} and run again: nothing is asked twice",
    )
