"""evaluate: base and adapter answer the test questions; votes become ballots, ballots a verdict.

    samples.parquet    every reply: greedy, forced letter and votes, of every subject
    ballots.parquet    one row a question and subject: the votes and the winner
    evaluation.json    what they come to

Replies to dialogues are scored instead (`tasks.evaluate.scoring`), into scores.parquet beside evaluation.json.

Several adapters share one engine; beside each of them stands the vote of all together, which costs
nothing. The engine runs in a child process (`tasks.evaluate.sampler_main`), so that its memory is given back.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from evals.adaptive import Beta, Exact, Rule, Window
from evals.alarms import alarms, heard
from evals.corrected import noted
from evals.summary import replays, savings, summary
from prompts import choice
from prompts.rendering import Wish
from storage.artifacts import write_json
from storage.dialogues import Kind
from storage.records import Ballot, Receipt, Sample, UsageError, digest
from storage.tables.dialogue_files import Dialogues
from storage.tables.questions import Stored
from storage.tables.samples import BALLOTS, SAMPLES, write_tables
from storage.tables.scores import SCORES
from tasks.clients.secrets import key_of
from tasks.engines.open import choose, renders
from tasks.engines.openai_spec import KEY, ServerSpec
from tasks.evaluate import cluster_shares
from tasks.evaluate.candidates import Base, Candidate, trained
from tasks.evaluate.elections import Electorate, chosen
from tasks.evaluate.generation import Adaptive, Decoding, Mismatch, Order, Subject
from tasks.evaluate.judging import JudgeSpec
from tasks.evaluate.subjects import of_adapter, served
from tasks.kinds.registry import SCORING
from tasks.kinds.text_to_sql import SqlSpec
from tasks.models import base_models
from tasks.runtime.step import Result, Step, Workshop, of

log = logging.getLogger("ponens")

EVALUATION, SCRATCH = "evaluation.json", "scratch"
# of the spec, what leaves the answers as they are
_SHAPELESS = {"gpu_memory_utilization", "tensor_parallel", "data_parallel", "adapters", "server", "on_mismatch"}
_SHAPELESS |= {"base_model", "revision"}  # their identity is an input
_SCORED = {*SqlSpec.model_fields, "lean", "judge"}  # these shape the scores of one kind of work each


class EvaluateSpec(SqlSpec):
    """How base and adapter are compared."""

    base_model: str | None = Field(
        None, description="A model to measure as it is, by a recipe without [train]: a folder or a hub's name."
    )
    revision: str | None = Field(None, description="Commit or tag of that model on the hub.")
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
    on_mismatch: Mismatch = Field(
        "refuse", description="An adapter trained with another rendering than [train] says; warn asks it with its own."
    )
    lean: list[str] = Field([], description='For proofs: what checks a file, such as ["lake", "env", "lean"].')
    judge: JudgeSpec | None = Field(None, description="For chats: a model that compares replies; asked as a teacher.")

    @model_validator(mode="after")
    def _weights_need_all_votes(self) -> Self:
        if self.weighting != "none" and self.adaptive != "off":
            raise ValueError('weighting needs all votes, early stopping counts plain ones: set adaptive = "off"')
        return self


def step(
    spec: EvaluateSpec,
    model: Base,
    questions: Receipt,
    *adapters: Receipt | Candidate,
    rendering: Wish | None = None,
    kind: Kind = "choice",
    round: str = "",
) -> Step:
    """The step that compares the base with the first adapter, and lists the others beside it; without any, the base.

    `questions` is what parse left; adapters are held against `rendering`, the recipe's; each `round` is drawn anew.
    UsageError for an engine that is not there, an adapter that is named twice, and chats without an adapter.
    """
    candidates = [a if isinstance(a, Candidate) else trained(a) for a in adapters]
    if kind == "chat" and not candidates:
        raise UsageError("chats are compared, not measured", expected="an adapter such as logic/1, in --adapter")
    if len({c.name for c in candidates}) < len(candidates):
        raise UsageError("an adapter is named twice", seen=", ".join(c.name for c in candidates), expected="each once")
    engine = choose(spec.engine, experts=bool(candidates) and base_models.has_experts(model.base_model, model.revision))
    base = base_models.identity(model.base_model, model.revision)
    names = ["adapter", *(f"adapter {c.name}" for c in candidates[1:])][: len(candidates)]
    digests = [c.digest for c in candidates]
    settings = spec.model_dump(exclude=_SHAPELESS | _SCORED) | {"engine": engine} | _scored(spec, engine, kind)
    settings |= {"rendering": rendering.settings if rendering else None} | ({"round": round} if round else {})
    settings |= noted(questions.facts.get("corrections"))
    if renders(engine):
        settings["server"] = {"base_url": spec.server.address, "models": spec.server.models}

    def work(shop: Workshop) -> Result:
        order = _order(spec, engine, model, base, candidates, rendering, shop)
        order = replace(order, decoding=replace(order.decoding, round=round))
        if kind == "choice":
            return _elected(order, spec, questions, shop)
        from tasks.evaluate.scoring import Contest  # brings the scorers along: not for a plan, nor for letters

        contest = Contest(kind, order, spec.limit, spec, spec.lean, spec.judge)
        return contest.work(list(Dialogues(shop.home, questions)), shop)

    return Step(
        name="evaluate",
        code=(__name__, "tasks.evaluate.sampler_main", *(() if kind == "choice" else SCORING)),
        settings=settings,
        inputs={"questions": of(questions), "base_model": base}
        | dict(zip(names, digests, strict=True))
        | (spec.fingerprint() if kind == "sql" else {}),
        work=work,
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
        "sql": spec.sql_settings,
        "proof": {"lean": spec.lean},
        "chat": {"judge": spec.judge.settings if spec.judge else None},
    }
    return {} if kind == "choice" else {"kind": kind, **own.get(kind, {})}


def _order(
    spec: EvaluateSpec,
    engine: str,
    model: Base,
    base: str,
    candidates: Sequence[Candidate],
    rendering: Wish | None,
    shop: Workshop,
) -> Order:
    """Who is asked and how; nothing is asked yet."""
    subjects = [
        Subject("base", base),
        *(of_adapter(c.name, shop.home.root / c.artifact, c.digest, base) for c in candidates),
    ]
    loading: dict[str, Any] = {
        "model": str(base_models.folder(model.base_model) or model.base_model),
        "revision": model.revision,
        "dtype": spec.dtype,
        "max_model_len": spec.max_model_len,
        "gpu_memory_utilization": spec.gpu_memory_utilization,
        "tensor_parallel": spec.tensor_parallel,
        "data_parallel": spec.data_parallel,
        "applied": None if spec.adapters == "auto" else spec.adapters,
    }
    secrets: dict[str, str] = {}
    if renders(engine):
        subjects, loading["server"] = served(
            spec.server, subjects, model.base_model, logprobs=spec.weighting == "logprob"
        )
        secrets[KEY] = key_of(KEY, '[evaluate] engine = "openai"', shop.secret).get_secret_value()
    decoding = Decoding(**spec.model_dump(include=set(Decoding.__slots__)))
    return Order(engine, loading, subjects, [], decoding, rendering, spec.on_mismatch, secrets)


def _elected(order: Order, spec: EvaluateSpec, questions: Receipt, shop: Workshop) -> Result:
    """Multiple choice: votes, ballots, a verdict."""
    asked = chosen(list(Stored(shop.home, questions)), spec.limit)
    voters = Electorate(asked, spec.shuffles, spec.weighting, forced=not renders(order.engine))
    scratch = shop.folder / SCRATCH
    drawn = cluster_shares.draw(replace(order, asks=voters.asks), scratch, shop)
    shutil.rmtree(scratch)
    samples = voters.samples(drawn.replies)
    ballots = {name: voters.ballots(found) for name, found in samples.items()}
    names = [subject.name for subject in order.subjects[1:]]
    facts = _facts(spec, order.engine, voters, samples, ballots, names) | {"work": drawn.outcome}
    facts |= noted(questions.facts.get("corrections"))
    facts["warnings"] += drawn.outcome.pop("warnings")
    for warning in facts["warnings"]:
        log.warning("evaluate: %s", warning)
    write_tables(shop.folder, {name: voters.own(found) for name, found in samples.items()}, ballots)
    write_json(shop.folder / EVALUATION, facts)
    said = [[r.subject, r.ask, r.index, r.text, r.finish] for r in drawn.replies]
    return Result(facts, identity=digest(sorted(said)))


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
        **({"adapter_name": names[0]} if names else {}),
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
    warnings = alarms({name: [*map(heard, own)] for name, own in samples.items()}, spec.max_tokens)
    for name, own in samples.items():
        bare = sum(s.index >= 0 and s.answer is not None and s.logprob is None for s in own)
        if bare and spec.weighting == "logprob":
            warnings.append(f"{bare} votes of {name} have no log-probability, and no weight")
    return warnings
