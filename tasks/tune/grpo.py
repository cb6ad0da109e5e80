"""Group relative policy optimization with rewards that are checked (Shao et al. 2024, arXiv 2402.03300). Heavy.

order -> training questions -> replies of the adapter, judged -> trainer -> canary -> replies.parquet, adapter.json last

There is no term for a reference here (TRL's own default, beta 0), so no frozen copy of the adapter either, and a
resume is that of supervised training. Replies are drawn by transformers in this process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl
from datasets import Dataset
from peft import PeftModel
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from prompts import choice
from storage.records import PonensError, Question
from tasks.models import vocabulary
from tasks.runtime import worker
from tasks.tokenizing import renderer as render
from tasks.train import checkpoints, full_model, history, settings, stopping
from tasks.train import trainer as loop
from tasks.tune import finish, trainers
from tasks.tune.grpo_order import GrpoOrder
from tasks.tune.grpo_spec import GrpoSpec
from tasks.tune.rewards import PARTS, Judged, course, gamed, judge

REPLIES = "replies.parquet"
_PROBES = 32
_PATIENCE = 20  # steps that may change nothing: all replies to their questions came to the same


class Grpo(trainers.Tokenized, GRPOTrainer):  # type: ignore[misc]
    """TRL's trainer; prompts come as the template wrote them, special tokens and all."""

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return self.processing_class(text=prompts, add_special_tokens=False)["input_ids"], None, {}


class Book:
    """Judges each reply once, keeps it with its rewards on disk, and gives TRL a function a part."""

    def __init__(self, spec: GrpoSpec, questions: Sequence[Question], stops: set[int], file: Path) -> None:
        self._spec, self._stops, self._file = spec, stops, file
        self._questions = {q.id: q for q in questions}
        self._batch: tuple[int, list[Judged]] = (0, [])

    def functions(self) -> list[Callable[..., list[float]]]:
        """A reward function for each part, named after it: their means are in the log under these names."""
        return [self._of(name) for name in PARTS]

    def forget_after(self, step: int) -> None:
        """Leave out replies of steps that a resume does again."""
        if self._file.exists():
            kept = [line for line in self._file.read_bytes().splitlines() if orjson.loads(line)["step"] < step]
            self._file.write_bytes(b"".join(line + b"\n" for line in kept))

    def rows(self) -> list[dict[str, Any]]:
        """Every reply so far."""
        return [orjson.loads(line) for line in self._file.read_bytes().splitlines()] if self._file.exists() else []

    def _of(self, name: str) -> Callable[..., list[float]]:
        def part(**given: Any) -> list[float]:
            return [judged.parts[name] for judged in self._judged(**given)]

        part.__name__ = name
        return part

    def _judged(
        self, completions: list[str], completion_ids: list[list[int]], question: list[str], trainer_state: Any, **_: Any
    ) -> list[Judged]:
        if self._batch[0] != id(completions):
            found = [
                judge(
                    self._questions[asked],
                    text,
                    finished=bool(ids) and ids[-1] in self._stops,
                    length_target=self._spec.length_target,
                )
                for asked, text, ids in zip(question, completions, completion_ids, strict=True)
            ]
            self._batch = (id(completions), found)
            self._write(trainer_state.global_step, question, completions, found)
        return self._batch[1]

    def _write(self, step: int, questions: list[str], texts: list[str], found: list[Judged]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("ab") as file:
            for asked, text, judged in zip(questions, texts, found, strict=True):
                row = {"step": step, "question": asked, "text": text, "outcome": judged.outcome, **judged.parts}
                row |= {"several_answers": judged.several_answers, "no_steps": judged.no_steps}
                row["reward"] = judged.reward(self._spec.weights)
                file.write(orjson.dumps(row) + b"\n")


def reinforce(order: GrpoOrder) -> None:
    """Train as the order says and leave a whole adapter in its folder; adapter.json is written last."""
    spec, folder, start = order.spec, order.folder, time.monotonic()
    renderer = render.fit(render.load(order.base, spec.revision), spec.wish)
    tokenizer = renderer.tokenizer
    questions = list(order.questions())
    if not questions:
        raise PonensError("there is no training question with a key", seen=order.train)
    stops = stopping.tokens(order.base, spec, renderer)
    prompts = [renderer.prompt([m.dict() for m in choice.solve(q)]) for q in questions]
    longest = max(len(ids) for ids in tokenizer(prompts, add_special_tokens=False)["input_ids"])
    worker.say(
        {"say": f"{len(questions)} questions, prompts of {longest} tokens at most, {order.grpo.replies} replies"}
    )

    base = finish.base(order)
    base.generation_config.eos_token_id = sorted(stops)
    parameters = base.num_parameters()
    settings.threads(parameters, 1)
    book = Book(order.grpo, questions, stops, folder / "scratch" / "replies.jsonl")
    if resumed := checkpoints.newest_whole(folder / "scratch" / "checkpoints"):
        book.forget_after(checkpoints.state(resumed)["global_step"])
    probes = prompts[:_PROBES]
    trainer = _trainer(order, tokenizer, base, book, questions, prompts)
    before = full_model.logits(trainer.model, tokenizer, probes)
    loop.run(trainer)
    rows = book.rows()
    found = course([_judged(row) for row in rows])
    for sign in (signs := gamed(found)):
        worker.say({"warn": f"the reward may be gamed: {sign}"})
    _keep(folder, rows)
    facts = {
        "method": "grpo",
        "questions": len(questions),
        "replies": len(rows),
        "weights": order.grpo.weights,
        "first": found.first,
        "last": found.last,
        "gamed": signs,
        "warnings": [f"the reward may be gamed: {sign}" for sign in signs],
        "no_contrast": _no_contrast(trainer.state.log_history),
        "parameters": parameters,
    }
    finish.save(trainer, order, renderer, probes, stops, before, facts, start)


def _trainer(
    order: GrpoOrder, tokenizer: Any, base: Any, book: Book, questions: Sequence[Question], prompts: list[str]
) -> Any:
    spec, grpo = order.spec, order.grpo
    made = settings.Plan(grpo.batch_size, grpo.gradient_accumulation, grpo.max_steps, bool(spec.gradient_checkpointing))
    own = {
        "num_generations": grpo.replies,
        "max_completion_length": grpo.max_tokens,
        "temperature": grpo.temperature,
        "top_p": grpo.top_p,
        "beta": 0.0,
        "reward_weights": list(grpo.weights.values()),
    }
    config = settings.arguments(spec, order.folder, made, False, GRPOConfig, own)
    model = PeftModel.from_pretrained(base, str(order.adapter), is_trainable=True)
    vocabulary.show_bias(model)
    return Grpo(
        model=model,
        reward_funcs=book.functions(),
        args=config,
        train_dataset=Dataset.from_dict({"prompt": prompts, "question": [q.id for q in questions]}),
        processing_class=tokenizer,
        callbacks=[
            loop.Telling(),
            trainers.Watch(None, patience=_PATIENCE),
            *history.callbacks(spec, order.folder / "scratch" / history.FILE, 0),
        ],
    )


def _judged(row: dict[str, Any]) -> Judged:
    return Judged(row["outcome"], {name: row[name] for name in PARTS}, row["several_answers"], row["no_steps"])


def _keep(folder: Path, rows: list[dict[str, Any]]) -> None:
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(folder / REPLIES)


def _no_contrast(log: Sequence[dict[str, Any]]) -> float:
    """The share of questions whose replies all came to one reward: nothing is learnt from them."""
    shares = [float(entry["frac_reward_zero_std"]) for entry in log if "frac_reward_zero_std" in entry]
    return round(sum(shares) / len(shares), 4) if shares else 0.0
