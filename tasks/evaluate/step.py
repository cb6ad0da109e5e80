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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evals.corrected import noted
from evals.summary import replays, savings, summary
from prompts.choice import HOUSE, Choice
from prompts.rendering import Wish
from prompts.worded import Worded
from storage.artifacts import write_json
from storage.dialogues import Kind
from storage.home import Home
from storage.ledger import Ledger
from storage.records import Ballot, Receipt, Sample, UsageError, digest
from storage.tables.dialogue_files import Dialogues
from storage.tables.questions import Stored
from storage.tables.samples import BALLOTS, SAMPLES, write_tables
from storage.tables.scores import SCORES
from tasks.clients.secrets import key_of
from tasks.engines.open import choose, renders
from tasks.engines.openai_spec import KEY
from tasks.evaluate import paid
from tasks.evaluate.beside import Beside
from tasks.evaluate.candidates import Base, Candidate, stages_of, trained
from tasks.evaluate.elections import Electorate, chosen, rules, warnings
from tasks.evaluate.generation import Decoding, Order, Subject
from tasks.evaluate.spec import EvaluateSpec
from tasks.evaluate.subjects import of_adapter, otherwise, served
from tasks.kinds.registry import KINDS, Prompt, Wording
from tasks.kinds.text_to_sql import SqlSpec
from tasks.models import base_models as models
from tasks.runtime.step import Result, Secret, Step, Workshop, of

log = logging.getLogger("ponens")

EVALUATION, SCRATCH = "evaluation.json", "scratch"
# of the spec, what leaves the answers as they are
_SHAPELESS = {"gpu_memory_utilization", "tensor_parallel", "data_parallel", "adapters", "server", "on_mismatch"}
_SHAPELESS |= {"base_model", "revision", "models", "api"}  # their identities are inputs
_SCORED = {*SqlSpec.model_fields, "lean", "judge", "scorer"}  # these shape the scores of one kind of work each


def step(
    spec: EvaluateSpec,
    model: Base,
    questions: Receipt,
    *adapters: Receipt | Candidate,
    rendering: Wish | None = None,
    kind: Kind = "choice",
    round: str = "",
    words: Choice | Prompt | None = None,
) -> Step:
    """The step that compares the base with the first adapter, and lists the others beside it; without any, the base.

    `questions` is what parse left; the models of `spec` answer as well; adapters are held against `rendering`,
    the recipe's; each `round` is drawn anew. `words` are the recipe's own, if it has some.
    UsageError for an engine that is not there, an adapter that is named twice, and chats without an adapter.
    """
    candidates = [a if isinstance(a, Candidate) else trained(a) for a in adapters]
    kind_of_work = KINDS[kind]
    if kind_of_work.compared and not candidates:
        raise UsageError("chats are compared, not measured", expected="an adapter such as logic/1, in --adapter")
    if kind_of_work.compared and spec.models:
        raise UsageError(
            "chats are compared with the base that an adapter was trained on",
            seen=f"[evaluate] models = {spec.models}",
            expected="adapters alone, in --adapter",
        )
    spec.api.check(spec.rivals)
    if len({c.name for c in candidates}) < len(candidates):
        raise UsageError("an adapter is named twice", seen=", ".join(c.name for c in candidates), expected="each once")
    engine = choose(spec.engine, experts=bool(candidates) and models.has_experts(model.base_model, model.revision))
    base = models.identity(model.base_model, model.revision)
    names = ["adapter", *(f"adapter {c.name}" for c in candidates[1:])][: len(candidates)]
    digests = [c.digest for c in candidates]
    settings = spec.model_dump(exclude=_SHAPELESS | _SCORED) | {"engine": engine} | _scored(spec, engine, kind)
    beside = Beside(spec.rivals, spec.api)
    settings |= {"rendering": rendering.settings if rendering else None} | ({"round": round} if round else {})
    own = words.settings if isinstance(words, Choice | Worded) else {}
    settings |= noted(questions.facts.get("corrections")) | own
    stages = stages_of(candidates)
    settings |= {"stages": stages} if stages and kind_of_work.letters else {}
    if renders(engine):
        settings["server"] = {"base_url": spec.server.address, "models": spec.server.models}

    def work(shop: Workshop) -> Result:
        paid.require_keys(spec.rivals, shop.secret)
        order = _order(spec, engine, model, base, candidates, rendering, shop)
        prompt: Wording = words or kind_of_work.wording
        notes = otherwise(shop.home, candidates, prompt.VERSION)
        order = replace(order, decoding=replace(order.decoding, round=round), notes=notes)
        if kind_of_work.letters:
            return _elected(order, beside, spec, questions, shop, stages, _choice(words))
        from tasks.evaluate.scoring import Contest  # brings the scorers along: not for a plan, nor for letters

        worded = words if isinstance(words, Worded) else None
        contest = Contest(kind, order, spec.limit, spec, spec.lean, spec.judge, beside, worded, spec.function)
        return contest.work(list(Dialogues(shop.home, questions)), shop)

    return Step(
        name="evaluate",
        code=(
            __name__,
            "tasks.evaluate.sampler_main",
            *kind_of_work.scoring,
            *(("tasks.evaluate.paid", "tasks.evaluate.rivals") if spec.models else ()),
        ),
        settings=settings,
        inputs={"questions": of(questions), "base_model": base}
        | dict(zip(names, digests, strict=True))
        | beside.identities
        | (spec.fingerprint() if kind_of_work.databases else {}),
        work=work,
        shelf="evaluations",
        tables={"samples": SAMPLES, "ballots": BALLOTS} if kind_of_work.letters else {"scores": SCORES},
    )


def estimate(
    spec: EvaluateSpec, parsed: Receipt, kind: Kind, home: Home, ledger: Ledger, words: Choice | Prompt | None = None
) -> dict[str, Any]:
    """By model behind an API what it would be asked at most, and the cost; sends nothing."""
    decoding = Decoding(**spec.model_dump(include=set(Decoding.__slots__)))
    if KINDS[kind].letters:
        asked = chosen(list(Stored(home, parsed)), spec.limit)
        asks = Electorate(asked, spec.shuffles, spec.weighting, forced=False, words=_choice(words)).asks
    else:
        from tasks.evaluate.scoring import asks_of
        from tasks.evaluate.scoring import chosen as tested

        asks = asks_of(tested(list(Dialogues(home, parsed)), spec.limit), KINDS[kind].worded(words))
        decoding = replace(decoding, votes=0 if spec.votes == 1 else spec.votes)
    return paid.estimate(spec.rivals, spec.api, asks, replace(decoding, adaptive="off"), ledger)


def outlook(
    spec: EvaluateSpec,
    kind: Kind,
    parsed: Receipt | None,
    home: Home,
    secret: Secret,
    words: Choice | Prompt | None = None,
) -> Iterator[tuple[str, UsageError | None]]:
    """What is seen of each model beside the base, with the error that asking it would end in now. Sends nothing.

    UsageError for a limit of the cost and a model without a price.
    """
    spec.api.check(spec.rivals)
    costs: dict[str, Any] = {}
    if parsed is not None and any(one.provider for one in spec.rivals):
        with Ledger(home) as ledger:
            costs = estimate(spec, parsed, kind, home, ledger, words)
    for one in spec.rivals:
        try:
            if one.provider:
                paid.require_keys([one], secret)
            else:
                models.snapshot(one.model, one.revision)
        except UsageError as error:
            yield one.name, error
            continue
        facts = costs.get(one.name)
        if facts is None:
            yield f"{one.name}{'' if one.provider else ' is on this machine'}", None
            continue
        cost = "price unknown" if facts["cost"] is None else f"cost {facts['cost']:.4f} at most"
        yield f"{one.name}: {facts['asked']:,} requests, {facts['from_ledger']:,} known; {cost}", None


def _choice(words: Choice | Prompt | None) -> Choice:
    return words if isinstance(words, Choice) else HOUSE


def _scored(spec: EvaluateSpec, engine: str, kind: Kind) -> dict[str, Any]:
    """What of the spec shapes the scores of one kind of work. UsageError for a chat that nothing can compare."""
    if KINDS[kind].compared and spec.judge is None and renders(engine):
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
    if spec.function:
        return {"kind": kind, "scorer": spec.function.fingerprint}
    return {} if KINDS[kind].letters else {"kind": kind, **own.get(kind, {})}


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
    loading = spec.loading(model)
    secrets: dict[str, str] = {}
    if renders(engine):
        subjects, loading["server"] = served(
            spec.server, subjects, model.base_model, logprobs=spec.weighting == "logprob"
        )
        secrets[KEY] = key_of(KEY, '[evaluate] engine = "openai"', shop.secret).get_secret_value()
    decoding = Decoding(**spec.model_dump(include=set(Decoding.__slots__)))
    return Order(engine, loading, subjects, [], decoding, rendering, spec.on_mismatch, secrets)


def _elected(
    order: Order,
    beside: Beside,
    spec: EvaluateSpec,
    questions: Receipt,
    shop: Workshop,
    stages: Sequence[tuple[str, str]],
    words: Choice,
) -> Result:
    """Multiple choice: votes, ballots, a verdict."""
    asked = chosen(list(Stored(shop.home, questions)), spec.limit)
    voters = Electorate(asked, spec.shuffles, spec.weighting, forced=not renders(order.engine), words=words)
    scratch = shop.folder / SCRATCH
    drawn = beside.draw(replace(order, asks=voters.asks), scratch, shop)
    shutil.rmtree(scratch)
    samples = voters.samples(drawn.replies)
    ballots = {name: voters.ballots(found) for name, found in samples.items()}
    names = [subject.name for subject in order.subjects[1:]]
    facts = _facts(spec, order.engine, voters, samples, ballots, names, beside.names, stages) | {"work": drawn.outcome}
    facts |= noted(questions.facts.get("corrections")) | words.settings | {"prompt": words.VERSION}
    facts["warnings"] += [*order.notes, *drawn.outcome.pop("warnings")]
    facts |= {"models": drawn.outcome.pop("models")} if beside.rivals else {}
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
    models: Sequence[str],
    stages: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    """What it all comes to. Where several adapters are named, their vote together is a further one in `ballots`."""
    questions, asked = voters.questions, list(ballots.values())
    if len(names) > 1:
        together = f"vote of {'+'.join(names)}"
        ballots[together] = voters.together([samples[name] for name in names])
        names = [*names, together]
    names = [*names, *models]
    own = {name: voters.own(found) for name, found in samples.items()}
    return {
        "questions": len(questions),
        "problems": len({q.group for q in questions}),
        "votes": spec.votes,
        "adaptive": spec.adaptive,
        "weighting": spec.weighting,
        "engine": engine,
        "temperature": spec.temperature,
        **({"adapter_name": names[0]} if names else {}),
        **summary(questions, own, ballots, names, stages),
        "sampled": savings(asked, spec.votes),
        "replays": []
        if spec.adaptive != "off" or spec.weighting != "none"
        else replays(asked, questions, rules(spec.confidence, spec.window)),
        "consistency": {name: voters.consistency(found, ballots[name]) for name, found in samples.items()},
        "warnings": warnings(own, spec.max_tokens, spec.weighting),
    }
