"""sample: the trained adapter answers training questions, so that there is right and wrong of one question to compare.

    samples.parquet    every reply with the answer read, as an evaluation has them

Test questions are never asked here. Replies are kept in the home by their content: none is drawn twice.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from typing import Any

from prompts import choice
from prompts.rendering import Wish
from storage.records import PonensError, Question, Receipt, UsageError, digest
from storage.tables.questions import Stored
from storage.tables.samples import SAMPLES, write_tables
from tasks.engines.open import choose, renders
from tasks.evaluate import cluster_shares
from tasks.evaluate.candidates import Base, Candidate
from tasks.evaluate.elections import Electorate
from tasks.evaluate.generation import Decoding, Order
from tasks.evaluate.subjects import of_adapter
from tasks.kinds.asks import Ask
from tasks.models import base_models
from tasks.prefer.pairs import right
from tasks.prefer.spec import PreferSpec
from tasks.runtime.step import Result, Step, Workshop, of

SCRATCH = "scratch"


def step(
    spec: PreferSpec,
    model: Base,
    parsed: Receipt,
    adapter: Candidate,
    engine: str,
    loading: Mapping[str, Any],
    rendering: Wish,
) -> Step:
    """The step that draws replies; `engine` and `loading` are those of the evaluation.

    UsageError for an engine that is a server: it has not got what was just trained.
    """
    engine = choose(engine, experts=base_models.has_experts(model.base_model, model.revision))
    if renders(engine):
        raise UsageError(
            "replies to training questions cannot be drawn through a server",
            seen=f"[evaluate] engine = {engine!r}",
            expected="vllm or transformers: the adapter was trained here and no server has it yet",
            hint="set [prefer] samples = 0 to pair what the ledger and the source have, or another engine",
        )
    base = base_models.identity(model.base_model, model.revision)
    decoding = Decoding(spec.samples, spec.temperature, spec.top_p, spec.max_tokens, spec.seed)

    def work(shop: Workshop) -> Result:
        subject = of_adapter(adapter.name, shop.home.root / adapter.artifact, adapter.digest, base)
        asked = chosen(Stored(shop.home, parsed), spec.questions)
        voters = Electorate(asked, forced=False)
        asks = [Ask(ask.id, ask.messages, question=ask.question, greedy=False) for ask in voters.asks]
        order = Order(engine, loading, [subject], asks, decoding, rendering)
        scratch = shop.folder / SCRATCH
        drawn = cluster_shares.draw(order, scratch, shop)
        shutil.rmtree(scratch)
        samples = voters.samples(drawn.replies)[adapter.name]
        write_tables(shop.folder, {adapter.name: samples}, {})
        said = [[r.ask, r.index, r.text, r.finish] for r in drawn.replies]
        return Result(_facts(asked, samples, adapter.name) | {"work": drawn.outcome}, identity=digest(sorted(said)))

    return Step(
        name="sample",
        code=(__name__, "tasks.evaluate.sampler_main"),
        settings={
            **spec.model_dump(include={"samples", "questions", "temperature", "top_p", "max_tokens", "seed"}),
            "engine": engine,
            "rendering": rendering.settings,
            "prompt": choice.VERSION,
        },
        inputs={"questions": of(parsed), "base_model": base, "adapter": adapter.digest},
        work=work,
        shelf="samples",
        tables={"samples": SAMPLES},
    )


def chosen(questions: Stored, limit: int | None) -> list[Question]:
    """The questions with a key that are no test questions, at most `limit`, whatever their order in the source."""
    found = sorted((q for q in questions if q.split != "test" and q.answer), key=lambda q: q.id)
    if not found:
        raise PonensError(
            "there is no training question to draw replies for",
            expected="at least one with a key",
            hint="smaller shares of [parse] valid and test give training more groups",
        )
    return found[:limit]


def _facts(asked: list[Question], samples: Any, name: str) -> dict[str, Any]:
    questions = {q.id: q for q in asked}
    outcomes: dict[str, Counter[bool | None]] = {id: Counter() for id in questions}
    for sample in samples:
        outcomes[sample.question][right(questions[sample.question], sample.answer, sample.finish)] += 1
    total = sum(outcomes.values(), Counter[bool | None]())
    return {
        "adapter_sampled": name,
        "questions": len(asked),
        "replies": sum(total.values()),
        "right": total[True],
        "wrong": total[False],
        "unreadable": total[None],
        "with_right_and_wrong": sum(bool(one[True] and one[False]) for one in outcomes.values()),
    }
