"""TRL's trainers of preferences over rows in our own tokens, without a copy of the adapter beside it. Heavy.

TRL 1.16 makes the reference of DPO and KTO a frozen copy, "ref", of the adapter: of its layers alone, not of rows of
new tokens or embeddings, and with it in a checkpoint transformers no longer loads the adapter itself. Here the
reference's log-probabilities are computed once, by the very model that starts, and stand beside the rows: no copy, no
second model in memory, and one forward pass less a step.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from safetensors import SafetensorError
from transformers import Trainer, TrainerCallback
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import KTOTrainer

from storage.records import PonensError
from tasks.tokenizing.masks import IGNORED
from tasks.train import checkpoints
from tasks.tune.encode import Tokens
from tasks.tune.spec import REFERENCED, TuneSpec

_REFERENCE = "ref"
_TOLERANCE = {torch.float32: 1e-3}
_LOOSE = 5e-2  # in bfloat16 the sums of a batch differ by its padding


class Tokenized:
    """Rows come in tokens, checkpoints are whole or gone, and no model card is written."""

    args: Any
    state: Any

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset

    def tokenize_row(self, feature: dict[str, Any], model: Any = None) -> dict[str, Any]:
        """The row as it is."""
        return feature

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted."""
        return 0

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = Path(self.args.output_dir)
        try:
            Trainer._save_checkpoint(self, model, trial)
        except (OSError, RuntimeError, SafetensorError) as error:
            checkpoints.drop(folder / f"checkpoint-{self.state.global_step}")
            raise checkpoints.unwritable(folder, error) from error


class Dpo(Tokenized, DPOTrainer):  # type: ignore[misc]
    """Rafailov et al. 2023, arXiv 2305.18290."""


class Kto(Tokenized, KTOTrainer):  # type: ignore[misc]
    """Ethayarajh et al. 2024, arXiv 2402.01306."""


def kind_of(method: str) -> tuple[type[Any], type[Any]]:
    """A method's trainer and its configuration."""
    if method in REFERENCED:
        return {"dpo": (Dpo, DPOConfig), "kto": (Kto, KTOConfig)}[method]
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # that they may change is ours to mind, at an update
    from trl.experimental.cpo import CPOConfig, CPOTrainer
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    trainer, configuration = {"orpo": (ORPOTrainer, ORPOConfig), "simpo": (CPOTrainer, CPOConfig)}[method]
    return type(method.capitalize(), (Tokenized, trainer), {}), configuration


def own(spec: TuneSpec) -> dict[str, Any]:
    """What of a method's configuration is its own, as TRL spells it."""
    per_method: dict[str, dict[str, Any]] = {
        "dpo": {"loss_type": [spec.loss], "label_smoothing": spec.label_smoothing},
        "kto": {"desirable_weight": spec.desirable_weight, "undesirable_weight": spec.undesirable_weight},
        "orpo": {"remove_unused_columns": False},
        "simpo": {
            "loss_type": "simpo", "simpo_gamma": spec.gamma, "cpo_alpha": 0.0, "remove_unused_columns": False,
        },
    }  # fmt: skip
    return {"beta": spec.beta, "max_length": None, **per_method[spec.method]}  # rows come cut


def rows(spec: TuneSpec, found: Sequence[Tokens], batch: int) -> Dataset:
    """The rows as the method's trainer takes them. `batch` rows are looked at together by kto, in this order."""
    if spec.method == "dpo":
        return Dataset.from_dict(
            {
                "prompt_ids": [row.prompt for row in found],
                "chosen_ids": [row.chosen for row in found],
                "rejected_ids": [row.rejected for row in found],
            }
        )
    if spec.method == "kto":
        return _unpaired(spec, found, batch)
    return Dataset.from_list([_labelled(row) for row in found])


def _unpaired(spec: TuneSpec, found: Sequence[Tokens], batch: int) -> Dataset:
    """Shuffled once: kto takes them in order, and its KL is that of each prompt with the reply before it in a batch."""
    order = torch.randperm(len(found), generator=torch.Generator().manual_seed(spec.seed)).tolist()
    mixed = [found[at] for at in order]
    replies = [row.replies[0] for row in mixed]
    others: list[list[int]] = []
    for start in range(0, len(replies), batch):
        part = replies[start : start + batch]
        others += [part[-1], *part[:-1]]
    return Dataset.from_dict(
        {
            "prompt_ids": [row.prompt for row in mixed],
            "completion_ids": replies,
            "KL_completion_ids": others,
            "label": [row.chosen is not None for row in mixed],
        }
    )


def _labelled(row: Tokens) -> dict[str, Any]:
    """A pair as orpo and simpo take it; the texts, which are not there, are asked for before `tokenize_row`."""
    made: dict[str, Any] = {
        "prompt": "",
        "chosen": "",
        "rejected": "",
        "prompt_input_ids": row.prompt,
        "prompt_attention_mask": [1] * len(row.prompt),
    }
    for side, reply in (("chosen", row.chosen or []), ("rejected", row.rejected or [])):
        made[f"{side}_input_ids"] = row.prompt + reply
        made[f"{side}_attention_mask"] = [1] * len(row.prompt + reply)
        made[f"{side}_labels"] = [IGNORED] * len(row.prompt) + reply
    return made


def drop_copy(model: Any) -> None:
    """Take away the copy of the adapter that TRL made, and see that what was trained before it is trained still."""
    if _REFERENCE not in model.peft_config:
        return
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    model.delete_adapter(_REFERENCE)
    model.set_adapter("default")
    if {name for name, p in model.named_parameters() if p.requires_grad} != trained:
        raise PonensError("PEFT trains other parameters once the reference's copy is gone", hint="report this as a bug")


def refer(trainer: Any, reference: str) -> None:
    """Put the reference's log-probabilities beside the rows: of the model as it is, or of its base alone."""
    trainer.precompute_ref_logps = True
    trainer.train_dataset = _referred(trainer, trainer.train_dataset, reference)
    if trainer.eval_dataset is not None:
        trainer.eval_dataset = _referred(trainer, trainer.eval_dataset, reference)


def _referred(trainer: Any, dataset: Dataset, reference: str) -> Dataset:
    model, batch = trainer.model, 2 * trainer.args.per_device_train_batch_size
    columns: dict[str, list[float]] = {}
    was_training = model.training
    model.eval()
    apart = model.disable_adapter() if reference == "base" else nullcontext()
    with torch.no_grad(), apart, trainer.accelerator.autocast():
        for start in range(0, len(dataset), batch):
            given = [dataset[at] for at in range(start, min(start + batch, len(dataset)))]
            laid = {name: value.to(trainer.args.device) for name, value in trainer.data_collator(given).items()}
            for name, logps in _logps(model, laid).items():
                columns.setdefault(name, []).extend(logps.float().tolist())
    model.train(was_training)
    for name, values in columns.items():
        dataset = dataset.add_column(name, values)
    return dataset


def _logps(model: Any, laid: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Summed log-probabilities of each reply, by the column that a trainer reads them from."""
    found = _summed(model, laid, "")
    if "KL_input_ids" in laid:
        return {"ref_logps": found, "ref_KL_logps": _summed(model, laid, "KL_")}
    chosen, rejected = found.chunk(2)  # a batch is all chosen, then all rejected
    return {"ref_chosen_logps": chosen, "ref_rejected_logps": rejected}


def _summed(model: Any, laid: dict[str, torch.Tensor], prefix: str) -> torch.Tensor:
    ids, mask = laid[f"{prefix}input_ids"], laid[f"{prefix}attention_mask"]
    labels = ids.masked_fill(laid[f"{prefix}completion_mask"] == 0, IGNORED)
    logps = model(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False, fused_lm_head=True).log_probs
    summed: torch.Tensor = logps[:, -(ids.size(1) - 1) :].sum(1)
    return summed


class Watch(TrainerCallback):  # type: ignore[misc]
    """Ends a tuning that would end as a success without having tuned: PonensError, after the first step that counts.

    The parameters to be trained are in the optimizer, they move as soon as the learning rate is above 0, and a policy
    that starts as its own reference shows the loss that follows, `first_loss`. The first `patience` steps may change
    nothing, where rewards need not differ.
    """

    def __init__(self, first_loss: float | None, patience: int = 1) -> None:
        self.first_loss, self.patience = first_loss, patience
        self.before: dict[str, torch.Tensor] = {}
        self.rate = 0.0
        self.moved = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **more: Any) -> None:
        self.before = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
        if not self.before:
            raise PonensError("nothing is trained", seen="no parameter of the adapter takes a gradient")

    def on_step_begin(self, args: Any, state: Any, control: Any, optimizer: Any = None, **more: Any) -> None:
        self.rate = max(group["lr"] for group in optimizer.param_groups)

    def on_step_end(
        self, args: Any, state: Any, control: Any, model: Any = None, optimizer: Any = None, **more: Any
    ) -> None:
        if not self.before or self.rate == 0.0:
            return
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        ours = {name: p for name, p in model.named_parameters() if name in self.before}
        if absent := [name for name, p in ours.items() if id(p) not in held]:
            raise PonensError(
                "parameters that are to be trained are not in the optimizer",
                seen=f"{len(absent)} of {len(ours)}, such as {absent[0]}",
                expected="all of them",
            )
        self.moved = sum(not torch.equal(p, self.before[name]) for name, p in ours.items())
        if not self.moved and state.global_step < self.patience:
            return
        if not self.moved:
            raise PonensError(
                "a step changed no parameter: nothing is learnt",
                seen=f"{len(ours)} parameters as they were, learning rate {self.rate:.3g}",
                expected="gradients from preferences whose two sides differ",
            )
        self.before = {}

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, model: Any = None, **more: Any) -> None:
        if self.first_loss is None or state.global_step != 1 or not logs or "loss" not in logs:
            return
        allowed = _TOLERANCE.get(model.dtype, _LOOSE) * max(1.0, self.first_loss)
        if not math.isclose(logs["loss"], self.first_loss, abs_tol=allowed):
            raise PonensError(
                "the reference is not the model that tuning starts from",
                seen=f"loss {logs['loss']:.6g} at the first step",
                expected=f"{self.first_loss:.6g}, the loss of a policy that is its own reference",
                hint="report this with the adapter's adapter_config.json",
            )
