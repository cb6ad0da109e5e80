"""evaluate: base and adapter answer the test questions; votes become ballots, ballots a verdict.

    samples.parquet    every reply: greedy, forced letter and votes, of every subject
    ballots.parquet    one row a question and subject: the votes and the winner
    evaluation.json    what they come to

The engine runs in a child process (`tasks.sampler`), so that its memory is given back. Alone:
`ponens evaluate recipes/demo.toml`.
"""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import orjson
from pydantic import BaseModel, ConfigDict, Field

from evals.summary import same_replies, summary
from evals.vote import count
from prompts import choice
from storage import adapters as registry
from storage.artifacts import write_json
from storage.home import Home
from storage.questions import Stored
from storage.records import Ballot, PonensError, Question, Receipt, Sample, UsageError, digest
from storage.samples import BALLOTS, SAMPLES, write_tables
from tasks import child, models, sampler
from tasks.engines.base import choose
from tasks.step import Result, Step, Tick, Workshop, of

log = logging.getLogger("ponens")

EVALUATION = "evaluation.json"
SCRATCH = "scratch"
# of the spec, what leaves the answers as they are
_SHAPELESS = {"gpu_memory_utilization", "tensor_parallel", "adapters"}


class EvaluateSpec(BaseModel):
    """How base and adapter are compared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["auto", "vllm", "transformers", "openai"] = Field(
        "auto", description="What generates; auto is vLLM wherever it is installed, else transformers."
    )
    votes: int = Field(5, ge=1, le=255, description="Replies drawn for each question; the majority answers.")
    adaptive: Literal["off", "exact"] = Field(
        "off",
        description="exact: stop a question's votes once its winner cannot change. The vote curve then ends early.",
    )
    temperature: float = Field(0.7, gt=0, le=5, description="Temperature of the votes; the greedy reply stands beside.")
    top_p: float = Field(1.0, gt=0, le=1, description="Draw from the likeliest tokens that hold this share.")
    max_tokens: int = Field(1024, ge=1, description="Longest reply, in tokens.")
    limit: int | None = Field(None, ge=1, description="Ask only so many test questions, chosen by their content.")
    seed: int = Field(0, ge=0, description="Another seed draws other votes.")
    max_model_len: int | None = Field(
        None, ge=16, description="Longest prompt and reply together; by default what questions and model need."
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field("auto", description="Numbers of the weights.")
    adapters: Literal["auto", "merged", "on_the_fly"] = Field(
        "auto",
        description="How vLLM applies adapters; auto is on the fly on a GPU, merged (three times faster) on a CPU.",
    )
    gpu_memory_utilization: float | None = Field(
        None, gt=0, le=1, description="Share of the device's memory for vLLM; by default 0.85, on a CPU 0.3."
    )
    tensor_parallel: int = Field(1, ge=1, description="GPUs that share one copy of the model (vLLM).")


class Model(Protocol):
    """What of a training's settings names its base model."""

    @property
    def base_model(self) -> str: ...

    @property
    def revision(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """An adapter to evaluate: "NAME/N", its folder below the home, its digest (None: yet to be made)."""

    name: str
    artifact: str
    digest: str | None


def trained(receipt: Receipt) -> Candidate:
    """The adapter that a training left behind."""
    return Candidate(receipt.artifact.removeprefix("adapters/"), receipt.artifact, of(receipt))


def candidates(home: Path, references: Sequence[str]) -> list[Candidate]:
    """The adapters that "NAME/N" or "NAME@latest" name; `home` is the home's root. UsageError if one is not there."""
    found = [registry.resolve(Home(home), reference) for reference in references]
    return [Candidate(str(a), f"adapters/{a}", str(registry.about(a)["digest"])) for a in found]


def step(spec: EvaluateSpec, model: Model, questions: Receipt, *adapters: Receipt | Candidate) -> Step:
    """The step that compares the base with the first adapter, and lists the others beside it.

    UsageError for an engine that is not there, and for no adapter.
    """
    candidates = [a if isinstance(a, Candidate) else trained(a) for a in adapters]
    if not candidates:
        raise UsageError("nothing to evaluate", expected="an adapter such as logic/1", hint="ponens train RECIPE")
    engine = _engine(spec.engine)
    base = models.identity(model.base_model, model.revision)
    names = ["adapter", *(f"adapter {c.name}" for c in candidates[1:])]
    return Step(
        name="evaluate",
        module=__name__,
        settings=spec.model_dump(exclude=_SHAPELESS) | {"engine": engine},
        inputs={
            "questions": of(questions),
            "base_model": base,
            **{name: c.digest for name, c in zip(names, candidates, strict=True)},
        },
        work=lambda shop: _work(spec, engine, model, base, questions, candidates, shop),
        shelf="evaluations",
        tables={"samples": SAMPLES, "ballots": BALLOTS},
    )


def _engine(name: str) -> str:
    chosen = choose(name)
    if chosen == "openai":
        raise UsageError(
            '[evaluate] engine = "openai" is not there yet', expected="auto, vllm or transformers", hint="leave it out"
        )
    return chosen


def chosen(questions: Sequence[Question], limit: int | None) -> list[Question]:
    """The test questions with a key, at most `limit` of them, whatever their order in the source."""
    test = sorted((q for q in questions if q.split == "test" and q.answer), key=lambda q: q.id)
    if not test:
        raise PonensError(
            "there is no question to evaluate on",
            seen=f"{len(questions)} questions, none of them in the test split with an answer",
            expected="at least one",
            hint="raise [parse] test, or give a file with answers",
        )
    return test[:limit]


def _work(
    spec: EvaluateSpec,
    engine: str,
    model: Model,
    base: str,
    questions: Receipt,
    candidates: Sequence[Candidate],
    shop: Workshop,
) -> Result:
    asked = chosen(list(Stored(shop.home, questions)), spec.limit)
    subjects = [sampler.Subject("base", base), *(_subject(c, base, shop) for c in candidates)]
    scratch = shop.folder / SCRATCH
    _sample(_order(spec, engine, model, subjects, asked, shop), scratch, shop)
    samples = _samples(scratch / sampler.SAMPLES, {q.id: q for q in asked})
    outcome = orjson.loads((scratch / sampler.OUTCOME).read_bytes())
    shutil.rmtree(scratch)
    ballots = {name: _ballots(asked, found) for name, found in samples.items()}
    facts = _facts(spec, engine, asked, samples, ballots, [c.name for c in candidates]) | {"work": outcome}
    for warning in facts["warnings"]:
        log.warning("evaluate: %s", warning)
    write_tables(shop.folder, samples, ballots)
    write_json(shop.folder / EVALUATION, facts)
    said = [[s.subject, s.question, s.index, s.text, s.finish] for found in samples.values() for s in found]
    return Result(facts, identity=digest(sorted(said)))


def _subject(candidate: Candidate, base: str, shop: Workshop) -> sampler.Subject:
    folder = shop.home.root / candidate.artifact
    try:
        about = orjson.loads((folder / "adapter.json").read_bytes())
    except OSError:
        raise PonensError(f"adapter {candidate.name} is gone", seen=folder, hint="run the recipe again") from None
    if about.get("base_identity", base) != base:
        raise PonensError(
            f"adapter {candidate.name} was trained on another base model",
            seen=f"identity {base[:16]} of the base to compare with",
            expected=f"{about['base_identity'][:16]}, as adapter.json says ({about.get('base_model')})",
            hint="evaluate with the base model and revision it was trained on, or train again",
        )
    template = about.get("template") or about.get("facts", {}).get("template")
    return sampler.Subject(candidate.name, digest([base, candidate.digest]), str(folder), template)


def _order(
    spec: EvaluateSpec,
    engine: str,
    model: Model,
    subjects: Sequence[sampler.Subject],
    questions: Sequence[Question],
    shop: Workshop,
) -> dict[str, Any]:
    return {
        "engine": engine,
        "loading": {
            "model": str(models.folder(model.base_model) or model.base_model),
            "revision": model.revision,
            "dtype": spec.dtype,
            "max_model_len": spec.max_model_len,
            "gpu_memory_utilization": spec.gpu_memory_utilization,
            "tensor_parallel": spec.tensor_parallel,
            "applied": None if spec.adapters == "auto" else spec.adapters,
        },
        "subjects": [asdict(s) for s in subjects],
        "questions": [asdict(q) for q in questions],
        "decoding": spec.model_dump(include=set(sampler.Decoding.__slots__)),
        "samples": str(shop.home.samples),
    }


def _sample(order: Mapping[str, Any], scratch: Path, shop: Workshop) -> None:
    write_json(scratch / "order.json", order)

    def hear(message: dict[str, Any]) -> None:
        if text := message.get("say"):
            log.info("evaluate: %s", text)
        if "done" in message:
            shop.progress(Tick(message["done"], message["total"], "replies"))

    child.run(
        [sys.executable, "-m", "tasks.sampler", str(scratch / "order.json")],
        log=scratch / "engine.log",
        hear=hear,
        what="evaluation",
        relief="set a smaller [evaluate] max_model_len or gpu_memory_utilization",
    )


def _samples(file: Path, questions: Mapping[str, Question]) -> dict[str, list[Sample]]:
    """What the child wrote, with the answers read, by subject."""
    found: dict[str, list[Sample]] = {}
    for line in file.read_bytes().splitlines():
        row = orjson.loads(line)
        reading = sampler.read(questions[row["question"]], row["index"], row["text"], row["finish"])
        sample = Sample(**row, answer=reading.answer, extractor=reading.extractor)
        found.setdefault(sample.subject, []).append(sample)
    return found


def _ballots(questions: Sequence[Question], samples: Sequence[Sample]) -> dict[str, Ballot]:
    votes: dict[str, dict[int, str | None]] = {q.id: {} for q in questions}
    for sample in samples:
        if sample.index >= 0:
            votes[sample.question][sample.index] = sample.answer
    return {q.id: count(q, [votes[q.id][i] for i in sorted(votes[q.id])]) for q in questions}


def _facts(
    spec: EvaluateSpec,
    engine: str,
    questions: Sequence[Question],
    samples: Mapping[str, Sequence[Sample]],
    ballots: Mapping[str, Mapping[str, Ballot]],
    names: Sequence[str],
) -> dict[str, Any]:
    first, *others = (summary(questions, samples, ballots, name) for name in names)
    facts: dict[str, Any] = {
        "questions": len(questions),
        "problems": len({q.group for q in questions}),
        "votes": spec.votes,
        "adaptive": spec.adaptive,
        "engine": engine,
        "temperature": spec.temperature,
        "prompt": choice.VERSION,
        "adapter_name": names[0],
        **first,
        "others": {
            name: other["adapter"] | {"paired": other["paired"]} for name, other in zip(names[1:], others, strict=True)
        },
        "warnings": [],
    }
    for name in names:
        if same_replies(samples["base"], samples[name]):
            facts["warnings"].append(f"{name} says the very same as the base: it is not applied, or has learnt nothing")
    for name, found in samples.items():
        if over := sum(s.finish == "overflow" for s in found):
            facts["warnings"].append(
                f"{over} prompts of {name} fill the whole context: no reply ([evaluate] max_model_len)"
            )
    return facts
