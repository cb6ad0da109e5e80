"""A spec's values as TRL, transformers and PEFT spell them. Heavy."""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from trl.trainer.sft_config import SFTConfig

from storage.records import PonensError
from tasks.runtime import worker
from tasks.train import estimate, loading
from tasks.train.spec import TrainSpec

_LARGE = 1_000_000_000
SFT: Mapping[str, Any] = {
    "completion_only_loss": True,
    "max_length": None,  # the rows come tokenized and cut (tasks.tokenizing.encoding)
    "dataset_kwargs": {"skip_prepare_dataset": True},
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What the rows decide: rows a forward pass, passes a step, steps in all, recomputed activations."""

    rows: int
    passes: int
    steps: int
    checkpointing: bool


def plan(spec: TrainSpec, model: Any, lengths: Sequence[int], taught: float) -> Plan:
    """How the rows are dealt out on this machine. `taught` is the share of tokens with a loss."""
    cuda, parameters = torch.cuda.is_available(), model.num_parameters()
    told = estimate.steps(lengths, spec, estimate.at_once(parameters, cuda=cuda))
    checkpointing = recomputes(spec, model, estimate.Pass(told["cells"], math.ceil(taught * told["cells"]), cuda))
    rows = told["rows_a_step"] // told["passes_a_step"] // spec.processes
    return Plan(rows, told["passes_a_step"], told["steps"], checkpointing)


def recomputes(spec: TrainSpec, model: Any, largest: estimate.Pass) -> bool:
    """Whether activations are computed twice: as it is set, else where they would not fit."""
    if spec.gradient_checkpointing is not None:
        return spec.gradient_checkpointing
    try:
        needed = estimate.needs_checkpointing(_shape(model), spec, largest, room())
    except PonensError:  # a family that the estimate does not know
        needed = model.num_parameters() >= _LARGE
    if needed:
        worker.say({"say": "activations are computed twice: they would not fit otherwise"})
    return needed


def arguments(
    spec: TrainSpec, folder: Path, made: Plan, valid: bool, kind: type[Any] = SFTConfig, own: Mapping[str, Any] = SFT
) -> Any:
    """A configuration of this `kind`, with settings of its `own`.

    PonensError for other processes than were asked for, or if there is no row to validate on.
    """
    cpu = not torch.cuda.is_available()
    if spec.eval_steps and not valid:
        raise PonensError(
            "there is no row to validate on",
            seen=f"eval_steps = {spec.eval_steps}, and no row in the snapshot's valid part",
            expected="a validation part, for eval_steps, keep_best and patience",
            hint="set [parse] valid, or leave eval_steps out",
        )
    saves = (spec.eval_steps if spec.keep_best else None) or spec.save_steps  # the best is one of those that are kept
    config = kind(
        output_dir=str(folder / "scratch" / "checkpoints"),
        num_train_epochs=spec.epochs,
        max_steps=spec.max_steps or -1,
        per_device_train_batch_size=made.rows,
        per_device_eval_batch_size=spec.batch_size,
        gradient_accumulation_steps=made.passes,
        optim=_optimizer(spec),
        learning_rate=spec.learning_rate,
        lr_scheduler_type=spec.scheduler,
        warmup_steps=spec.warmup,
        weight_decay=spec.weight_decay,
        adam_beta2=spec.adam_beta2,
        max_grad_norm=spec.max_grad_norm,
        neftune_noise_alpha=spec.neftune_alpha,
        seed=spec.seed,
        data_seed=spec.seed,
        bf16=(loading.has_bfloat16() and spec.dtype != "float32") or spec.dtype == "bfloat16",
        use_cpu=cpu,
        dataloader_pin_memory=not cpu,
        gradient_checkpointing=made.checkpointing,
        # a divisor: else a loss averaged over steps before and after a restart would miss those before
        logging_steps=max(n for n in range(1, max(1, made.steps // 100) + 1) if saves % n == 0),
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_steps=saves,
        save_total_limit=2,
        eval_strategy="steps" if spec.eval_steps else "no",
        eval_steps=spec.eval_steps,
        load_best_model_at_end=spec.keep_best,
        metric_for_best_model="eval_loss" if spec.keep_best else None,
        greater_is_better=False if spec.keep_best else None,
        report_to="none",
        disable_tqdm=True,
        **own,
    )
    if config.world_size != spec.processes:  # else the launcher fell back to one, and the steps would be other ones
        raise PonensError(
            "training did not start in as many processes as asked for",
            seen=f"{config.world_size}, with {torch.cuda.device_count()} GPUs",
            expected=f"[train] processes = {spec.processes}",
            hint="set it to the number of GPUs",
        )
    return config


def lora(spec: TrainSpec, tokens: dict[str, list[int]] | None = None) -> LoraConfig | None:
    """PEFT's settings of the adapter, with `tokens` to learn by layer; None if all weights are trained."""
    if spec.method == "full":
        return None
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=spec.rank,
        lora_alpha=spec.lora_alpha,
        lora_dropout=spec.dropout,
        use_rslora=spec.use_rslora,
        use_dora=spec.use_dora,
        target_modules=spec.target_modules,
        modules_to_save=spec.modules_to_save or None,
        trainable_token_indices=tokens,
        ensure_weight_tying=bool(spec.modules_to_save),  # else a tied head would come loose from its embeddings
    )


def weight(model: Any) -> float:
    """A token's matrices, counted in positions of attention: 2 operations a parameter against 4 a layer and width."""
    text = model.config.get_text_config()
    beside = ("embed", "lm_head")
    matrices = sum(p.numel() for name, p in model.named_parameters() if not any(part in name for part in beside))
    return float(matrices / (2 * text.num_hidden_layers * text.hidden_size))


def threads(parameters: int, processes: int) -> None:
    """Threads of a CPU run: one for a tiny model, else the even share of the processes on this machine.

    For a tiny one a second thread costs more than it does, and one thread makes a run repeatable.
    """
    if not torch.cuda.is_available():
        torch.set_num_threads(1 if parameters < estimate.TINY else max(1, (os.cpu_count() or 1) // processes))


def _optimizer(spec: TrainSpec) -> str:
    chosen: str = spec.optimizer
    if chosen == "auto":
        paged = spec.method == "qlora" and torch.cuda.is_available()
        chosen = "paged_adamw_8bit" if paged else "adamw_torch_fused"
    if "8bit" in chosen and importlib.util.find_spec("bitsandbytes") is None:
        raise PonensError(
            f"optimizer {chosen!r} needs bitsandbytes", expected="auto, adamw_torch, or bitsandbytes installed"
        )
    if chosen.startswith("paged") and not torch.cuda.is_available():
        worker.say({"say": f"optimizer {chosen}: nothing is paged without a GPU"})
    if spec.method == "qlora":
        worker.say(
            {"say": f"optimizer {chosen}" + ("" if "8bit" in chosen else ": nothing here pages or takes 8 bits")}
        )
    return chosen


def _shape(model: Any) -> estimate.Shape:
    # weights in 4 bits lie as columns of bytes, and remember what they were
    weights = {name: getattr(getattr(p, "quant_state", p), "shape", p.shape) for name, p in model.named_parameters()}
    return estimate.shape(model.config.to_dict(), weights.items())


def room() -> int:
    """Bytes of memory on the device that trains."""
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[1])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
