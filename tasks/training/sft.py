"""Supervised fine-tuning of a LoRA adapter with TRL and PEFT; heavy, runs in the child process only.

order (tasks.train) -> rows -> tokens -> SFTTrainer -> canary -> PEFT folder, adapter.json last
"""

from __future__ import annotations

import math
import os
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, TrainerCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from prompts.rendering import Wish
from storage.artifacts import write_json
from storage.records import PonensError
from storage.snapshots import read
from tasks import lifeline
from tasks.training import canary, checkpoints, render, tokens, vocabulary
from tasks.training.masks import IGNORED, Teaching

# below this a second thread costs more than it does, and one thread makes a CPU run repeatable
_TINY = 20_000_000
_LARGE = 1_000_000_000
_SMALL_LOGITS = 256 << 20
_PROBES = 32


def train(order: dict[str, Any]) -> None:
    """Train as the order says and leave a whole adapter in its folder; adapter.json is written last."""
    spec, folder, start = order["spec"], Path(order["folder"]), time.monotonic()
    place = order["base_folder"] or spec["base_model"]
    rows = read(Path(order["train"]))
    if not rows:
        raise PonensError("the snapshot has no row to train on", seen=order["train"], hint="see what assemble dropped")
    renderer = render.fit(
        render.load(place, spec["revision"]), Wish(spec["template"], spec["system"], spec["thinking"])
    )
    tokenizer, rendering = renderer.tokenizer, renderer.rendering
    probes = canary.texts(rows[:_PROBES], renderer)
    plain = [vocabulary.without(rendering.added, text) for text in probes]
    canary.check_tokenizer(tokenizer, order["base_folder"], plain, "that the base model's folder holds")
    teaching = Teaching(spec["loss"], spec["learn_thinking"])
    encoded = tokens.encode(rows, renderer, spec["max_length"], teaching)
    tokens.check_share(encoded.truncated, len(encoded.ids), spec["max_truncated_share"], spec["max_length"])
    valid = tokens.encode(read(Path(order["valid"])), renderer, spec["max_length"], teaching)
    lifeline.say({"say": f"{len(rows)} rows, {encoded.trained} tokens to learn, {encoded.truncated} rows cut"})

    model = load(place, spec["revision"], spec["dtype"])  # only now: whatever is wrong with the rows is known
    parameters = model.num_parameters()  # before the adapter's are added
    added = tokenizer.convert_tokens_to_ids(list(rendering.added))
    vocabulary.make_room(model, added)
    trainer = _trainer(spec, folder, tokenizer, model, encoded, valid, added)
    resume = checkpoints.newest_whole(Path(trainer.args.output_dir))
    if resume:
        lifeline.say({"say": f"going on from {resume.name}"})
    done = trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    losses = _losses(trainer)
    valid_loss = trainer.evaluate()["eval_loss"] if valid.ids else None
    if not trainer.is_world_process_zero():
        return
    changed = canary.save_and_check(trainer.model, tokenizer, probes, folder, spec)
    state = trainer.state
    trained = round(encoded.trained * state.epoch)
    facts = {
        "steps": state.global_step,
        "epochs": round(state.epoch, 4),
        "rows": len(rows),
        "valid_rows": len(valid.ids),
        "truncated": encoded.truncated,
        "trained_tokens": trained,
        "loss": losses,
        "loss_first": losses[0]["loss"],
        "loss_last": losses[-1]["loss"],
        "valid_loss": valid_loss,
        "trainable": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        "parameters": parameters,
        "canary": changed,
        "tokens_per_second": round(trained / state.global_step * done.metrics["train_steps_per_second"]),
        "seconds": round(time.monotonic() - start, 1),
        "device": str(trainer.args.device),
    }
    libraries = {name: version(name) for name in ("torch", "transformers", "trl", "peft", "accelerate")}
    about = order["about"] | {"rendering": rendering.dict()}
    write_json(folder / "adapter.json", {**about, "facts": facts, "libraries": libraries})


def load(place: str, revision: str | None, dtype: str) -> Any:
    """The base model: safetensors only, and never code from the model's folder."""
    where: dict[str, Any] = {"trust_remote_code": False}
    if Path(place).is_dir():
        where["local_files_only"] = True
    elif revision:
        where["revision"] = revision
    return AutoModelForCausalLM.from_pretrained(place, dtype=_dtype(dtype), use_safetensors=True, **where)


class CompletionTrainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer with a cheaper way to the same loss for small logits on a CPU.

    Off a GPU, TRL scores prompt tokens too, computes each batch's entropy and accuracy, and recomputes
    the logits to spare memory: for a small model that is half as much again as the training itself.
    """

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The summed loss of the completions' tokens over `num_items_in_batch`, as TRL has it."""
        labels = inputs["labels"]
        size = labels.numel() * self.model.config.vocab_size * 4
        if return_outputs or labels.device.type != "cpu" or size > _SMALL_LOGITS:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        tail = labels.shape[1] - int((labels != IGNORED).any(0).nonzero()[0])  # the earliest completion's start
        # rows are padded on the right, where no earlier token looks: they need no attention mask
        logits = model(input_ids=inputs["input_ids"], use_cache=False, logits_to_keep=tail + 1).logits[:, :-1]
        kept = labels[:, -tail:]
        taught = kept != IGNORED
        loss = torch.nn.functional.cross_entropy(logits[taught].float(), kept[taught], reduction="sum")
        count = taught.sum() if num_items_in_batch is None else num_items_in_batch
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes  # the processes' gradients are averaged
        return loss / count

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Not counted: for a small model the counting is a share of each step."""
        return 0


class Telling(TrainerCallback):  # type: ignore[misc]
    """Tells the parent of steps and losses, seals checkpoints, and stops at once where the loss is no number."""

    def __init__(self) -> None:
        self.loss: float | None = None
        self.told = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if torch.get_num_threads() > 1 and args.device.type == "cpu":
            lifeline.say({"say": f"{torch.get_num_threads()} threads"})

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

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            checkpoints.seal(Path(args.output_dir) / f"checkpoint-{state.global_step}")

    def _tell(self, state: Any) -> None:
        if state.is_world_process_zero:
            lifeline.say({"step": state.global_step, "total": state.max_steps, "loss": self.loss})


def _trainer(
    spec: dict[str, Any],
    folder: Path,
    tokenizer: Any,
    model: Any,
    encoded: tokens.Encoded,
    valid: tokens.Encoded,
    added: list[int],
) -> CompletionTrainer:
    parameters = model.num_parameters()
    _threads(parameters, spec["processes"])
    batch = spec["batch_size"] * spec["gradient_accumulation"] * spec["processes"]
    steps = spec["max_steps"] or math.ceil(math.ceil(len(encoded.ids) / batch) * spec["epochs"])
    cpu = not torch.cuda.is_available()
    checkpointing = spec["gradient_checkpointing"]
    config = SFTConfig(
        output_dir=str(folder / "scratch" / "checkpoints"),
        num_train_epochs=spec["epochs"],
        max_steps=spec["max_steps"] or -1,
        per_device_train_batch_size=spec["batch_size"],
        per_device_eval_batch_size=spec["batch_size"],
        gradient_accumulation_steps=spec["gradient_accumulation"],
        learning_rate=spec["learning_rate"],
        lr_scheduler_type=spec["scheduler"],
        warmup_steps=spec["warmup"],
        weight_decay=spec["weight_decay"],
        adam_beta2=spec["adam_beta2"],
        max_grad_norm=spec["max_grad_norm"],
        seed=spec["seed"],
        data_seed=spec["seed"],
        bf16=model.dtype == torch.bfloat16,
        use_cpu=cpu,
        dataloader_pin_memory=not cpu,
        gradient_checkpointing=parameters >= _LARGE if checkpointing is None else checkpointing,
        completion_only_loss=True,
        packing=False,
        max_length=None,  # the rows come tokenized and cut (tasks.training.tokens)
        dataset_kwargs={"skip_prepare_dataset": True},
        logging_steps=max(1, steps // 100),
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_steps=spec["save_steps"],
        save_total_limit=2,
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    if config.world_size != spec["processes"]:  # else the launcher fell back to one, and the steps would be other ones
        raise PonensError(
            "training did not start in as many processes as asked for",
            seen=f"{config.world_size}, with {torch.cuda.device_count()} GPUs",
            expected=f"[train] processes = {spec['processes']}",
            hint="set it to the number of GPUs",
        )
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=spec["rank"],
        lora_alpha=spec["alpha"],
        lora_dropout=spec["dropout"],
        target_modules=spec["target_modules"],
        trainable_token_indices=vocabulary.trainable(model, added),
    )
    trainer = CompletionTrainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_dict({"input_ids": encoded.ids, "labels": encoded.labels}),
        eval_dataset=Dataset.from_dict({"input_ids": valid.ids, "labels": valid.labels}) if valid.ids else None,
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[Telling()],
    )
    vocabulary.show_bias(trainer.model)
    return trainer


def _losses(trainer: SFTTrainer) -> list[dict[str, float]]:
    losses = [{"step": e["step"], "loss": e["loss"]} for e in trainer.state.log_history if "loss" in e]
    if not losses or all(entry["loss"] == 0.0 for entry in losses):
        raise PonensError("the loss was 0 throughout: nothing was learnt", expected="a loss above 0 that falls")
    return losses


def _threads(parameters: int, processes: int) -> None:
    if not torch.cuda.is_available():
        torch.set_num_threads(1 if parameters < _TINY else max(1, (os.cpu_count() or 1) // processes))


def _dtype(name: str) -> Any:
    if name != "auto":
        return getattr(torch, name)
    return torch.bfloat16 if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else torch.float32
