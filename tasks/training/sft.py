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

import polars as pl
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from storage.artifacts import write_json
from storage.records import PonensError
from tasks import lifeline
from tasks.training import canary, checkpoints, history, tokens

# below this a second thread costs more than it does, and one thread makes a CPU run repeatable
_TINY = 20_000_000
_LARGE = 1_000_000_000
_SMALL_LOGITS = 256 << 20
_PROBES = 32


def train(order: dict[str, Any]) -> None:
    """Train as the order says and leave a whole adapter in its folder; adapter.json is written last."""
    spec, folder, start = order["spec"], Path(order["folder"]), time.monotonic()
    tokenizer, model = _load(order)
    rows = _rows(order["train"])
    if not rows:
        raise PonensError("the snapshot has no row to train on", seen=order["train"], hint="see what assemble dropped")
    probes = canary.texts(rows[:_PROBES], tokenizer)
    canary.check_tokenizer(tokenizer, order["base_folder"], probes, "that the base model's folder holds")
    encoded = tokens.encode(rows, tokenizer, spec["max_length"])
    tokens.check_share(encoded.truncated, len(rows), spec["max_truncated_share"], spec["max_length"])
    valid = tokens.encode(_rows(order["valid"]), tokenizer, spec["max_length"])
    lifeline.say({"say": f"{len(rows)} rows, {encoded.trained} tokens to learn, {encoded.truncated} rows cut"})

    parameters = model.num_parameters()  # before the adapter's are added
    trainer = _trainer(spec, folder, tokenizer, model, encoded, valid)
    resume = checkpoints.newest_whole(Path(trainer.args.output_dir))
    if resume:
        lifeline.say({"say": f"going on from {resume.name}"})
    done = trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    losses = _losses(trainer)
    valid_loss = trainer.evaluate()["eval_loss"] if valid.ids else None
    if not trainer.is_world_process_zero():
        return
    changed = canary.save_and_check(trainer.model, tokenizer, probes, folder, spec, lambda quantised: _load(order)[1])
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
        "template": tokens.template_hash(tokenizer),
        "canary": changed,
        "tokens_per_second": round(trained / state.global_step * done.metrics["train_steps_per_second"]),
        "seconds": round(time.monotonic() - start, 1),
        "device": str(trainer.args.device),
    }
    libraries = {name: version(name) for name in ("torch", "transformers", "trl", "peft", "accelerate")}
    told = {**order["about"], "facts": facts, "history": history.rows(state), "libraries": libraries}
    write_json(folder / "adapter.json", told)


def _load(order: dict[str, Any]) -> tuple[Any, Any]:
    spec = order["spec"]
    return load(order["base_folder"] or spec["base_model"], spec["revision"], spec["dtype"])


def load(place: str, revision: str | None, dtype: str) -> tuple[Any, Any]:
    """Tokenizer and model: safetensors only, and never code from the model's folder."""
    where: dict[str, Any] = {"trust_remote_code": False}
    if Path(place).is_dir():
        where["local_files_only"] = True
    elif revision:
        where["revision"] = revision
    tokenizer = AutoTokenizer.from_pretrained(place, **where)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(place, dtype=_dtype(dtype), use_safetensors=True, **where)
    return tokenizer, model


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
        tail = labels.shape[1] - int((labels != tokens.IGNORED).any(0).nonzero()[0])  # the earliest completion's start
        # rows are padded on the right, where no earlier token looks: they need no attention mask
        logits = model(input_ids=inputs["input_ids"], use_cache=False, logits_to_keep=tail + 1).logits[:, :-1]
        kept = labels[:, -tail:]
        taught = kept != tokens.IGNORED
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
    spec: dict[str, Any], folder: Path, tokenizer: Any, model: Any, encoded: tokens.Encoded, valid: tokens.Encoded
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
    )
    return CompletionTrainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_dict({"input_ids": encoded.ids, "labels": encoded.labels}),
        eval_dataset=Dataset.from_dict({"input_ids": valid.ids, "labels": valid.labels}) if valid.ids else None,
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[Telling(), *history.callbacks(spec, folder / "scratch" / history.FILE, encoded.trained)],
    )


def _losses(trainer: SFTTrainer) -> list[dict[str, float]]:
    losses = [{"step": e["step"], "loss": e["loss"]} for e in trainer.state.log_history if "loss" in e]
    if not losses or all(entry["loss"] == 0.0 for entry in losses):
        raise PonensError("the loss was 0 throughout: nothing was learnt", expected="a loss above 0 that falls")
    return losses


def _rows(parquet: str) -> list[dict[str, Any]]:
    if not Path(parquet).exists():
        return []
    return pl.read_parquet(parquet, columns=["id", "prompt", "completion"]).to_dicts()


def _threads(parameters: int, processes: int) -> None:
    if not torch.cuda.is_available():
        torch.set_num_threads(1 if parameters < _TINY else max(1, (os.cpu_count() or 1) // processes))


def _dtype(name: str) -> Any:
    if name != "auto":
        return getattr(torch, name)
    return torch.bfloat16 if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else torch.float32
