"""evaluate: base and adapter answer the test questions; votes become ballots, ballots a verdict.

    samples.parquet    every reply: greedy, forced letter and votes, of every subject
    ballots.parquet    one row a question and subject: the votes and the winner
    evaluation.json    what they come to

Replies to dialogues are scored instead (`tasks.scoring`), into scores.parquet beside evaluation.json.

Several adapters share one engine; beside each of them stands the vote of all together, which costs
nothing. The engine runs in a child process (`tasks.sampler`), so that its memory is given back. Alone:
`ponens evaluate recipes/demo.toml`.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evals.adaptive import Beta, Exact, Rule, Window
from evals.summary import replays, same_replies, savings, summary
from prompts import choice
from storage.artifacts import write_json
from storage.dialogue_files import Dialogues
from storage.dialogues import Kind
from storage.questions import Stored
from storage.records import Ballot, PonensError, Question, Receipt, Sample, UsageError, digest
from storage.samples import BALLOTS, SAMPLES, write_tables
from storage.scores import SCORES
from tasks import models
from tasks.candidates import Candidate, trained
from tasks.engines.base import choose, renders
from tasks.engines.server import KEY, ServerSpec
from tasks.judging import JudgeSpec
from tasks.sampling.elections import Electorate
from tasks.sampling.order import Adaptive, Decoding, Order, Subject
from tasks.sampling.subjects import of_adapter, served
from tasks.scoring import Contest
from tasks.step import Result, Step, Workshop, of
from tasks.teachers.build import key_of

log = logging.getLogger("ponens")

EVALUATION = "evaluation.json"
SCRATCH = "scratch"
# of the spec, what leaves the answers as they are
_SHAPELESS = {"gpu_memory_utilization", "tensor_parallel", "data_parallel", "adapters", "server"}
_SCORED = {"databases", "lean", "judge"}  # these shape the scores of one kind of work each


class EvaluateSpec(BaseModel):
    """How base and adapter are compared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["auto", "vllm", "transformers", "openai"] = Field(
        "auto", description="What generates; auto is vLLM wherever it is installed, else transformers."
    )
    votes: int = Field(5, ge=1, le=255, description="Replies drawn for each question; the majority answers.")
    adaptive: Adaptive = Field(
        "off",
        description="Stop a question's votes once its winner cannot change (exact), is likely enough (beta), or is "
        "what a window of votes agrees on. Curves and calibration then end at the votes that all questions have.",
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Of beta: how likely the winner leads in truth.")
    window: int = Field(4, ge=2, description="Of window: so many votes that agree.")
    weighting: Literal["none", "logprob"] = Field(
        "none", description="logprob: a vote weighs as much as the model believed its reply. Needs all votes."
    )
    shuffles: int = Field(
        0, ge=0, le=24, description="Ask each question again under so many other orders of its options, by votes alone."
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
    data_parallel: int = Field(
        1, ge=1, le=64, description="Copies of the model, each on GPUs of its own, that share the questions."
    )
    server: ServerSpec = Field(default_factory=ServerSpec, description='The server of engine = "openai".')
    databases: int = Field(6, ge=1, le=50, description="For text-to-SQL: databases that a question's queries run on.")
    lean: list[str] = Field([], description='For proofs: what checks a file, such as ["lake", "env", "lean"].')
    judge: JudgeSpec | None = Field(None, description="For chats: a model that compares replies; asked as a teacher.")

    @model_validator(mode="after")
    def _weights_need_all_votes(self) -> Self:
        if self.weighting != "none" and self.adaptive != "off":
            raise ValueError('weighting needs all votes, early stopping counts plain ones: set adaptive = "off"')
        return self


class Model(Protocol):
    """What of a training's settings names its base model."""

    @property
    def base_model(self) -> str: ...

    @property
    def revision(self) -> str | None: ...


def step(
    spec: EvaluateSpec, model: Model, questions: Receipt, *adapters: Receipt | Candidate, kind: Kind = "choice"
) -> Step:
    """The step that compares the base with the first adapter, and lists the others beside it.

    `questions` is what parse left for this kind of work. UsageError for an engine that is not there, and for no
    adapter.
    """
    candidates = [a if isinstance(a, Candidate) else trained(a) for a in adapters]
    if not candidates:
        raise UsageError("nothing to evaluate", expected="an adapter such as logic/1", hint="ponens train RECIPE")
    if len({c.name for c in candidates}) < len(candidates):
        raise UsageError("an adapter is named twice", seen=", ".join(c.name for c in candidates), expected="each once")
    engine = choose(spec.engine)
    base = models.identity(model.base_model, model.revision)
    names = ["adapter", *(f"adapter {c.name}" for c in candidates[1:])]
    settings = spec.model_dump(exclude=_SHAPELESS | _SCORED) | {"engine": engine} | _scored(spec, engine, kind)
    if renders(engine):
        settings["server"] = {"base_url": spec.server.address, "models": spec.server.models}
    return Step(
        name="evaluate",
        module=__name__,
        settings=settings,
        inputs={
            "questions": of(questions),
            "base_model": base,
            **{name: c.digest for name, c in zip(names, candidates, strict=True)},
        },
        work=lambda shop: _work(spec, engine, model, base, questions, candidates, kind, shop),
        shelf="evaluations",
        tables={"samples": SAMPLES, "ballots": BALLOTS} if kind == "choice" else {"scores": SCORES},
    )


def _scored(spec: EvaluateSpec, engine: str, kind: Kind) -> dict[str, Any]:
    """What of the spec shapes the scores of one kind of work. UsageError for a chat that nothing can compare."""
    if kind == "chat" and spec.judge is None and renders(engine):
        raise UsageError(
            "nothing can compare chats through a server",
            expected="a judge: a server does not tell the loss of a reference",
            hint="set [evaluate.judge], or another engine",
        )
    own: dict[Kind, dict[str, Any]] = {
        "sql": {"databases": spec.databases},
        "proof": {"lean": spec.lean},
        "chat": {"judge": spec.judge.settings if spec.judge else None},
    }
    return {} if kind == "choice" else {"kind": kind, **own.get(kind, {})}


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
    kind: Kind,
    shop: Workshop,
) -> Result:
    subjects = [
        Subject("base", base),
        *(of_adapter(c.name, shop.home.root / c.artifact, c.digest, base) for c in candidates),
    ]
    loading, secrets = _loading(spec, model), dict[str, str]()
    if renders(engine):
        subjects, loading["server"] = served(
            spec.server, subjects, model.base_model, logprobs=spec.weighting == "logprob"
        )
        secrets[KEY] = key_of(KEY, '[evaluate] engine = "openai"', shop.secret).get_secret_value()
    decoding = Decoding(**spec.model_dump(include=set(Decoding.__slots__)))
    order = Order(engine, loading, subjects, [], decoding, secrets)
    if kind != "choice":
        contest = Contest(kind, order, spec.limit, spec.databases, spec.lean, spec.judge)
        return contest.work(list(Dialogues(shop.home, questions)), shop)
    asked = chosen(list(Stored(shop.home, questions)), spec.limit)
    voters = Electorate(asked, spec.shuffles, spec.weighting, forced=not renders(engine))
    scratch = shop.folder / SCRATCH
    drawn = replace(order, asks=voters.asks).draw(scratch, shop)
    shutil.rmtree(scratch)
    samples = voters.samples(drawn.replies)
    ballots = {name: voters.ballots(found) for name, found in samples.items()}
    facts = _facts(spec, engine, voters, samples, ballots, [c.name for c in candidates]) | {"work": drawn.outcome}
    for warning in facts["warnings"]:
        log.warning("evaluate: %s", warning)
    write_tables(shop.folder, {name: voters.own(found) for name, found in samples.items()}, ballots)
    write_json(shop.folder / EVALUATION, facts)
    said = [[r.subject, r.ask, r.index, r.text, r.finish] for r in drawn.replies]
    return Result(facts, identity=digest(sorted(said)))


def _loading(spec: EvaluateSpec, model: Model) -> dict[str, Any]:
    return {
        "model": str(models.folder(model.base_model) or model.base_model),
        "revision": model.revision,
        "dtype": spec.dtype,
        "max_model_len": spec.max_model_len,
        "gpu_memory_utilization": spec.gpu_memory_utilization,
        "tensor_parallel": spec.tensor_parallel,
        "data_parallel": spec.data_parallel,
        "applied": None if spec.adapters == "auto" else spec.adapters,
    }


def _facts(
    spec: EvaluateSpec,
    engine: str,
    voters: Electorate,
    samples: Mapping[str, Sequence[Sample]],
    ballots: dict[str, dict[str, Ballot]],
    names: Sequence[str],
) -> dict[str, Any]:
    """What it all comes to. Where several adapters are named, their vote together is a further one in `ballots`."""
    questions, asked = voters.questions, list(ballots.values())
    if len(names) > 1:
        together = f"vote of {'+'.join(names)}"
        ballots[together] = voters.together([samples[name] for name in names])
        names = [*names, together]
    own = {name: voters.own(found) for name, found in samples.items()}
    return {
        "questions": len(questions),
        "problems": len({q.group for q in questions}),
        "votes": spec.votes,
        "adaptive": spec.adaptive,
        "weighting": spec.weighting,
        "engine": engine,
        "temperature": spec.temperature,
        "prompt": choice.VERSION,
        "adapter_name": names[0],
        **summary(questions, own, ballots, names),
        "sampled": savings(asked, spec.votes),
        "replays": []
        if spec.adaptive != "off" or spec.weighting != "none"
        else replays(asked, questions, _rules(spec)),
        "consistency": {name: voters.consistency(found, ballots[name]) for name, found in samples.items()},
        "warnings": _warnings(spec, own),
    }


def _rules(spec: EvaluateSpec) -> dict[str, Rule]:
    return {
        "exact": Exact(),
        f"beta {spec.confidence:g}": Beta(spec.confidence),
        f"window {spec.window}": Window(spec.window),
    }


def _warnings(spec: EvaluateSpec, samples: Mapping[str, Sequence[Sample]]) -> list[str]:
    said = []
    for name, found in samples.items():
        if name != "base" and same_replies(samples["base"], found):
            said.append(f"{name} says the very same as the base: it is not applied, or has learnt nothing")
        if over := sum(s.finish == "overflow" for s in found):
            said.append(f"{over} prompts of {name} fill the whole context: no reply ([evaluate] max_model_len)")
        bare = sum(s.index >= 0 and s.answer is not None and s.logprob is None for s in found)
        if bare and spec.weighting == "logprob":
            said.append(f"{bare} votes of {name} have no log-probability, and no weight")
    return said
