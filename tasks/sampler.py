"""What runs in the child process of evaluate: `python -m tasks.sampler ORDER.json`.

    order (subjects, questions, settings) ──▶ samples.jsonl and outcome.json beside the order

Loads one engine for the base and all adapters and asks each subject, for each question, a greedy
reply, the letter it is forced to, and votes. Every reply goes to the home's samples as it finishes;
what is there already is not asked again, and if all is there no engine is loaded.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from evals.vote import count
from prompts import choice
from storage.artifacts import write_json
from storage.records import PonensError, Question, Reading, seed_of
from storage.samples import Kept, Samples, sample_key
from tasks import lifeline
from tasks.engines.base import Engine, Loading, Request, open_engine, surroundings

GREEDY, FORCED = -1, -2
SAMPLES, OUTCOME = "samples.jsonl", "outcome.json"
Slot = tuple[str, str, int]  # subject, question, index


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is asked: "base" or an adapter's name, the digest of its weights, its folder and template's hash."""

    name: str
    weights: str
    folder: str | None = None
    template: str | None = None


@dataclass(frozen=True, slots=True)
class Decoding:
    """How replies are drawn. `adaptive` "exact" stops a question's votes once its winner cannot change."""

    votes: int
    adaptive: str
    temperature: float
    top_p: float
    max_tokens: int
    seed: int


def read(question: Question, index: int, text: str, finish: str = "stop") -> Reading:
    """The letter in a reply that ended as `finish` says; a forced reply is its letter."""
    if index == FORCED:
        return Reading(text.strip() or None, "forced" if text.strip() else "unreadable")
    return choice.read(text, question, cut=finish != "stop")


def letters(question: Question) -> tuple[str, ...]:
    """How the answer line goes on after `choice.forced`, for each option."""
    start = choice.forced(question)
    return tuple(
        choice.answer_line(replace(question, answer=letter)).removeprefix(start) for letter in question.letters
    )


def missing_votes(question: Question, answers: Sequence[str | None], votes: int) -> int:
    """The fewest further votes, of `votes` in all, after which the winner may be settled; 0 if it is.

    It is settled when the second could not even draw level with all that is left.
    """
    left = votes - len(answers)
    most = sorted(count(question, answers).tally.values(), reverse=True)
    lead = (most[0] if most else 0) - (most[1] if len(most) > 1 else 0)
    return 0 if lead > left else (left - lead) // 2 + 1


@dataclass
class Asking:
    """One evaluation under way: which replies are wanted, which are there."""

    engine_name: str
    subjects: Sequence[Subject]
    questions: Mapping[str, Question]
    prompts: Mapping[str, str]
    decoding: Decoding
    context: int | None
    store: Samples
    open: Callable[[], Engine]
    tell: Callable[[int], None] = lambda done: None
    got: dict[Slot, Kept] = field(default_factory=dict)
    engine: Engine | None = None
    asked: int = 0

    def run(self) -> None:
        """Ask until every question of every subject has its replies."""
        names = [subject.name for subject in self.subjects]
        first = self.decoding.votes if self.decoding.adaptive == "off" else self.decoding.votes // 2 + 1
        indices = [FORCED, GREEDY, *range(first)]
        slots = [(name, id, index) for name in names for id in self.questions for index in indices]
        while slots:
            self._ask(self._reuse(slots))
            slots = [slot for name in names for id in self.questions for slot in self._further(name, id)]

    def _further(self, name: str, id: str) -> list[Slot]:
        """The votes this question still needs before its winner may be settled."""
        question = self.questions[id]
        answers: list[str | None] = []
        while (kept := self.got.get((name, id, len(answers)))) is not None:
            answers.append(read(question, len(answers), kept.text, kept.finish).answer)
        return [
            (name, id, len(answers) + more)
            for more in range(missing_votes(question, answers, self.decoding.votes))
            if len(answers) + more < self.decoding.votes
        ]

    def _reuse(self, slots: Iterable[Slot]) -> dict[str, tuple[Request, list[Slot]]]:
        """Take what is stored; what is left to ask, and which slots each reply fills."""
        wanted: dict[str, tuple[Request, list[Slot]]] = {}
        for slot in slots:
            request = self._request(slot)
            wanted.setdefault(request.key, (request, []))[1].append(slot)
        for key, kept in self.store.find(wanted).items():
            self.got |= dict.fromkeys(wanted.pop(key)[1], kept)
        self.tell(len(self.got))
        return wanted

    def _ask(self, todo: Mapping[str, tuple[Request, list[Slot]]]) -> None:
        if not todo:
            return
        self.engine = self.engine or self.open()
        for done in self.engine.generate([request for request, _ in todo.values()]):
            slots = todo[done.key][1]
            kept = Kept(done.key, done.text, done.finish, done.tokens)
            subject, question, index = slots[0]
            self.store.add(kept, subject=subject, question=question, index=index, engine=self.engine_name)
            self.got |= dict.fromkeys(slots, kept)
            self.asked += 1
            self.tell(len(self.got))

    def _request(self, slot: Slot) -> Request:
        name, id, index = slot
        question, how = self.questions[id], self.decoding
        forced, drawn = index == FORCED, index >= 0
        request = Request(
            key="",
            subject=name,
            prompt=self.prompts[id] + (choice.forced(question) if forced else ""),
            max_tokens=1 if forced else how.max_tokens,
            temperature=how.temperature if drawn else 0.0,
            top_p=how.top_p if drawn else 1.0,
            seed=seed_of(how.seed, id, index) if drawn else 0,
            letters=letters(question) if forced else None,
        )
        weights = next(s.weights for s in self.subjects if s.name == name)
        asked = {k: v for k, v in asdict(request).items() if k not in ("key", "subject")}
        return replace(request, key=sample_key(self.engine_name, weights, self.context, **asked))


def sample(order: Path) -> None:
    """Do what the order file says."""
    given = orjson.loads(order.read_bytes())
    subjects = [Subject(**s) for s in given["subjects"]]
    adapters = {s.name: Path(s.folder) for s in subjects if s.folder}
    loading = Loading(**given["loading"], adapters=adapters, scratch=order.parent)
    questions = [Question(**{**q, "options": tuple(q["options"])}) for q in given["questions"]]
    decoding = Decoding(**given["decoding"])
    surroundings(loading)
    start = time.monotonic()
    tokenizer = _tokenizer(loading, subjects)
    prompts = {
        q.id: str(
            tokenizer.apply_chat_template(
                [m.dict() for m in choice.solve(q)], tokenize=False, add_generation_prompt=True
            )
        )
        for q in questions
    }
    longest = max(len(ids) for ids in tokenizer(list(prompts.values()), add_special_tokens=False)["input_ids"])
    times: dict[str, float] = {}

    def open_now() -> Engine:
        lifeline.say({"say": f"starting {given['engine']}"})
        began = time.monotonic()
        # no more context than these questions need: memory for longer ones would lie idle
        fit = min(loading.max_model_len or sys.maxsize, longest + decoding.max_tokens + 32)
        engine = open_engine(given["engine"], replace(loading, max_model_len=fit))
        times["start"] = time.monotonic() - began
        lifeline.say({"say": f"{given['engine']} started in {times['start']:.1f} s"})
        return engine

    with Samples(Path(given["samples"])) as store:
        asking = Asking(
            given["engine"], subjects, {q.id: q for q in questions}, prompts, decoding, loading.max_model_len,
            store, open_now, _Progress(len(subjects) * len(questions) * (2 + decoding.votes)),
        )  # fmt: skip
        try:
            asking.run()
        finally:
            if asking.engine:
                asking.engine.close()
    _write(order.parent, asking, {**times, "total": time.monotonic() - start})


def _tokenizer(loading: Loading, subjects: Sequence[Subject]) -> Any:
    """The base model's tokenizer. PonensError if an adapter learnt under another chat template."""
    from tasks.engines import weights
    from tasks.training.tokens import template_hash

    tokenizer = weights.tokenizer(loading)
    now = template_hash(tokenizer)
    for subject in subjects:
        if subject.template and subject.template != now:
            raise PonensError(
                f"adapter {subject.name} was trained under another chat template",
                seen=f"template {now[:16]} in {loading.model}",
                expected=f"template {subject.template[:16]}, as adapter.json says",
                hint="evaluate with the base model it was trained on, or train again",
            )
    return tokenizer


class _Progress:
    """Tells the parent, a few times a second at most."""

    def __init__(self, total: int) -> None:
        self.total, self.last = total, 0.0

    def __call__(self, done: int) -> None:
        if (now := time.monotonic()) - self.last > 0.3:
            self.last = now
            lifeline.say({"done": done, "total": self.total})


def _write(folder: Path, asking: Asking, times: Mapping[str, float]) -> None:
    with (folder / SAMPLES).open("wb") as file:
        for (subject, question, index), kept in sorted(asking.got.items()):
            row = {"subject": subject, "question": question, "index": index}
            row |= {"text": kept.text, "finish": kept.finish, "tokens": kept.tokens}
            file.write(orjson.dumps(row) + b"\n")
    outcome = {
        "engine": asking.engine.facts if asking.engine else {"engine": asking.engine_name},
        "asked": asking.asked,
        "reused": len(asking.got) - asking.asked,
        "tokens": sum(kept.tokens for kept in asking.got.values()),
        "seconds": {name: round(value, 2) for name, value in times.items()},
    }
    write_json(folder / OUTCOME, outcome)


if __name__ == "__main__":
    sys.exit(lifeline.work(sample, Path(sys.argv[1])))
