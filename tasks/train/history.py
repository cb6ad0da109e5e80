"""What a training run tells of itself, step by step: loss, rate, tokens a second, memory, validation loss. Child only.

    trainer = SFTTrainer(..., callbacks=[..., *callbacks(spec, file, tokens)])
    rows(trainer.state)     [{"step": 1, "loss": 2.3, "learning_rate": 1e-4, "tokens_per_second": 900, "memory": 2**30}]

It is kept in the trainer's own log, which lies in every checkpoint: a run that goes on has all of it, and no step
twice. The file beside holds the same for whoever follows the run (tasks.train.mlflow_run).
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback
from transformers.integrations import get_reporting_integration_callbacks

from storage.artifacts import write_json
from tasks.runtime import worker
from tasks.train.spec import TrainSpec

FILE = "history.json"
_NAMES = {
    "step": "step",
    "loss": "loss",
    "eval_loss": "valid_loss",
    "learning_rate": "learning_rate",
    "grad_norm": "grad_norm",
    "tokens_per_second": "tokens_per_second",
    "memory": "memory",
    # of preference tuning, as TRL names them
    "rewards/chosen": "reward_chosen",
    "rewards/rejected": "reward_rejected",
    "rewards/accuracies": "reward_accuracy",
    "rewards/margins": "margin",
    "kl": "kl",
    # of reinforcement
    "reward": "reward",
    "reward_std": "reward_spread",
    "rewards/answer/mean": "reward_answer",
    "rewards/format/mean": "reward_format",
    "rewards/length/mean": "reward_length",
    "frac_reward_zero_std": "no_contrast",
    "completions/mean_length": "reply_tokens",
    "completions/clipped_ratio": "cut",
}


def callbacks(spec: TrainSpec, file: Path, tokens: int) -> list[Any]:
    """The history, and the trackers of `[train] report_to` that live in the training's process.

    `tokens` are those that one pass trains.
    """
    inside = [name for name in spec.report_to if name in ("wandb", "tensorboard")]
    return [History(file, tokens), *(Guarded(name, _tracker(name)) for name in inside)]


def rows(state: Any) -> list[dict[str, float]]:
    """The history, a row for each step that was logged; `memory` in bytes."""
    found: dict[int, dict[str, float]] = {}
    for entry in state.log_history:
        told = {name: entry[key] for key, name in _NAMES.items() if key in entry}
        if len(told) > 1:
            found.setdefault(told["step"], {}).update(told)
    return [found[step] for step in sorted(found)]


class History(TrainerCallback):  # type: ignore[misc]
    """Adds speed and memory to each entry of the trainer's log, and keeps the file up to date."""

    def __init__(self, file: Path, tokens: int) -> None:
        self.file, self.tokens = file, tokens
        self.before = (0.0, 0.0)
        self.size: dict[str, int] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        self.before = (time.monotonic(), state.epoch or 0.0)
        trained, all = size(model)
        self.size = {"trainable": trained, "parameters": all}
        if state.is_world_process_zero:
            worker.say({"say": f"{trained:,} of {all:,} parameters are trained ({trained / all:.2%})"})
            self._write(state)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        entry, now = state.log_history[-1], time.monotonic()
        if "loss" in entry:
            then, epoch = self.before
            entry["tokens_per_second"] = round(self.tokens * (state.epoch - epoch) / max(now - then, 1e-9))
            entry["memory"] = memory()
            self.before = (now, state.epoch)
        if state.is_world_process_zero and self.size:
            self._write(state)

    def _write(self, state: Any) -> None:
        write_json(self.file, {**self.size, "total": state.max_steps, "rows": rows(state)})


class Guarded:
    """A tracker's callback that cannot end the training: at its first error it is heard of once, and left."""

    def __init__(self, name: str, make: Callable[[], Any]) -> None:
        self.name = name
        self.inner = self._try(make)

    def __getattr__(self, event: str) -> Callable[..., Any]:
        if not event.startswith("on_"):
            raise AttributeError(event)
        return lambda *args, **more: (
            self._try(lambda: getattr(self.inner, event)(*args, **more)) if self.inner else None
        )

    def _try(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            self.inner = None
            worker.say({"warn": f"{self.name} tracks no more: {type(error).__name__}: {error}"})
            return None


def size(model: Any) -> tuple[int, int]:
    """Parameters that are trained, and all of them; 4-bit weights count as what they stand for."""
    if hasattr(model, "get_nb_trainable_parameters"):
        trained, all = model.get_nb_trainable_parameters()
        return int(trained), int(all)
    counts: Sequence[tuple[int, bool]] = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(n for n, grad in counts if grad), sum(n for n, _ in counts)


def memory() -> int:
    """Bytes at the highest so far: of the GPU where there is one, else of this process in main memory."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _tracker(name: str) -> Callable[[], Any]:
    return lambda: get_reporting_integration_callbacks([name])[0]()
