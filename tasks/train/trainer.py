"""TRL's trainer with packed rows, an order of rows that a restart repeats, and checkpoints that are whole. Heavy."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MethodType
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import TrainerCallback
from transformers.modeling_outputs import CausalLMOutput
from trl.trainer.sft_trainer import SFTTrainer

from storage.records import PonensError
from tasks.runtime import worker
from tasks.tokenizing.masks import IGNORED
from tasks.train import checkpoints, packing

_SMALL_LOGITS = 256 << 20
# what some families do to their logits after the last layer; the short way below would leave it out
_LOGIT_SETTINGS = (
    "final_logit_softcapping",
    "logit_scale",
    "logits_scaling",
    "lm_head_multiplier",
    "output_multiplier",
)


@dataclass
class Collator:
    """Rows of a batch -> tensors [lines, length]: input_ids, labels, position_ids. `weight`: see `packing.best`."""

    pad: int
    weight: float | None

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        laid = packing.lay(rows, self.pad, self.weight)
        return {
            "input_ids": torch.tensor(laid.ids),
            "labels": torch.tensor(laid.labels),
            "position_ids": torch.tensor(laid.positions),
        }


class Order(torch.utils.data.Sampler[int]):
    """Rows shuffled anew each epoch, by the seed and the epoch alone, so that a restart meets the same rows."""

    def __init__(self, lengths: Sequence[int], step: int, seed: int) -> None:
        self.lengths, self.step, self.seed, self.epoch = lengths, step, seed, 0

    def __len__(self) -> int:
        return len(self.lengths)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        shuffled = torch.randperm(len(self), generator=torch.Generator().manual_seed(self.seed + self.epoch))
        yield from packing.order(shuffled.tolist(), self.lengths, self.step)


class PackedTrainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer that trains packed rows, validates padded ones, and has a cheaper way to the same loss on a CPU.

    Off a GPU, TRL scores prompt tokens too and computes each batch's entropy and accuracy: for a small model that is
    half as much again as the training itself.
    """

    def __init__(self, *, packed: Any, **settings: Any) -> None:
        super().__init__(**settings)
        self.packed = packed
        self.data_collator: Any
        base = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        text = base.config.get_text_config()
        self.vocabulary = text.vocab_size
        self.short = self.args.device.type == "cpu" and not any(getattr(text, name, None) for name in _LOGIT_SETTINGS)
        if self.short:
            base.forward = MethodType(_taught_alone(base.forward), base)

    def get_train_dataloader(self) -> Any:
        padded = self.data_collator
        self.data_collator = self.packed
        try:
            return super().get_train_dataloader()
        finally:
            self.data_collator = padded

    def _get_train_sampler(self, train_dataset: Any = None) -> Order:
        data = self.train_dataset if train_dataset is None else train_dataset
        args = self.args
        step = args.per_device_train_batch_size * args.gradient_accumulation_steps * args.world_size
        return Order([len(ids) for ids in data["input_ids"]], step, args.data_seed)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The summed loss of the taught tokens over `num_items_in_batch`, as TRL has it."""
        taught = (inputs["labels"][:, 1:] != IGNORED).sum()
        if return_outputs or not self.short or int(taught) * self.vocabulary * 4 > _SMALL_LOGITS:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        loss = model(**inputs, use_cache=False, taught_alone=True).loss
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes  # the processes' gradients are averaged
        return loss / (taught if num_items_in_batch is None else num_items_in_batch)

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Not counted: for a small model the counting is a share of each step."""
        return 0

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = Path(self.args.output_dir)
        try:
            super()._save_checkpoint(model, trial)
        except (OSError, RuntimeError, SafetensorError) as error:
            checkpoints.drop(folder / f"checkpoint-{self.state.global_step}")
            raise checkpoints.unwritable(folder, error) from error


def run(trainer: Any, patience: int | None = None) -> Any:
    """Train, from the newest whole checkpoint if there is one."""
    with trainer.args.main_process_first(local=False):
        resume = checkpoints.newest_whole(Path(trainer.args.output_dir))
    if resume:
        worker.say({"say": f"going on from {resume.name}"})
        state = checkpoints.state(resume)
        if checkpoints.no_longer_falls(state["log_history"], patience):
            trainer.args.max_steps = state["global_step"]  # it had stopped there
    return trainer.train(resume_from_checkpoint=str(resume) if resume else None)


class Telling(TrainerCallback):  # type: ignore[misc]
    """Tells the parent of steps and losses, seals checkpoints, stops where the loss is no number or rises for long."""

    def __init__(self, patience: int | None = None, wait: Any = lambda: None) -> None:
        self.patience, self.wait = patience, wait
        self.loss: float | None = None
        self.told = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if torch.get_num_threads() > 1 and args.device.type == "cpu":
            worker.say({"say": f"{torch.get_num_threads()} threads"})

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        now = time.monotonic()
        if now - self.told >= 0.5 or state.global_step == state.max_steps:
            self.told = now
            self._tell(state)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if logs and "loss" in logs:
            self.loss = float(logs["loss"])
            if not math.isfinite(self.loss):
                raise PonensError(
                    f"the loss is {self.loss} at step {state.global_step}",
                    expected="a finite loss",
                    hint="set [train] learning_rate lower, or warmup longer",
                )

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if checkpoints.no_longer_falls(state.log_history, self.patience):
            control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.wait()  # each process writes a part of its own
        if state.is_world_process_zero:
            checkpoints.seal(Path(args.output_dir) / f"checkpoint-{state.global_step}")

    def _tell(self, state: Any) -> None:
        if state.is_world_process_zero:
            worker.say({"step": state.global_step, "total": state.max_steps, "loss": self.loss})


def keeps_apart(model: Any) -> bool:
    """Whether a row on a line sees nothing of the row before it: that row is changed, and no logit may move."""
    was_training = model.training
    model.eval()
    positions = torch.tensor([[*range(8), *range(8)]], device=model.device)
    with torch.no_grad():
        first, other = (
            model(
                input_ids=torch.tensor([[*before, *range(16, 24)]], device=model.device),
                position_ids=positions,
                use_cache=False,
            ).logits[0, 8:]
            for before in (range(8), range(8, 16))
        )
    model.train(was_training)
    return torch.equal(first, other)


def _taught_alone(whole: Any) -> Any:
    """A forward that projects onto the vocabulary only where a label is taught, and returns the summed loss."""

    def forward(self: Any, *given: Any, taught_alone: bool = False, **inputs: Any) -> Any:
        if not taught_alone:
            return whole(*given, **inputs)
        labels = inputs.pop("labels")[:, 1:]
        taught = labels != IGNORED
        hidden = self.base_model(*given, **inputs).last_hidden_state[:, :-1][taught]
        logits = self.get_output_embeddings()(hidden).float()
        return CausalLMOutput(loss=torch.nn.functional.cross_entropy(logits, labels[taught], reduction="sum"))

    return forward
