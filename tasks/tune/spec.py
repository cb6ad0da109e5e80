"""Settings of preference tuning: the recipe's `[tune]`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.train.spec import TrainSpec

Method = Literal["dpo", "orpo", "kto", "simpo"]
# beta of each paper: DPO 2305.18290, ORPO 2403.07691 (its lambda), KTO 2402.01306, SimPO 2405.14734
BETAS: Mapping[str, float] = {"dpo": 0.1, "orpo": 0.1, "kto": 0.1, "simpo": 2.0}
REFERENCED = ("dpo", "kto")  # those that compare with a reference model
# of [tune], what takes the place of [train]'s setting of the same name
_OWN = (
    "learning_rate", "scheduler", "warmup", "epochs", "max_steps", "batch_size", "gradient_accumulation",
    "weight_decay", "adam_beta2", "max_grad_norm", "max_length", "max_truncated_share", "long_prompts",
    "gradient_checkpointing", "seed", "save_steps",
)  # fmt: skip
# of [train], what has no meaning here
_PLAIN: Mapping[str, Any] = {
    "loss": "completion", "learn_thinking": True, "packing": False, "neftune_alpha": None, "eval_steps": None,
    "keep_best": False, "patience": None, "dropout": 0.0,
}  # fmt: skip


class TuneSpec(BaseModel):
    """How an adapter goes on from supervised training. What is not here is as `[train]` has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Method = Field("dpo", description="The loss: on pairs, or for kto on replies that are chosen or rejected.")
    reference: Literal["sft", "base"] = Field(
        "sft", description="The reference model of dpo and kto: the supervised adapter, or the base without it."
    )
    beta: float = Field(
        0.1, gt=0, description="Strength of the preference term; 0.1 by default, 2.0 for simpo (in orpo its lambda)."
    )
    loss: Literal["sigmoid", "hinge", "ipo"] = Field("sigmoid", description="Of dpo: the form of its loss.")
    label_smoothing: float = Field(
        0.0, ge=0, lt=0.5, description="Of dpo's sigmoid loss: the share of pairs that may be the wrong way round."
    )
    gamma: float = Field(0.5, ge=0, description="Of simpo: the margin that the chosen reply is to lead by.")
    desirable_weight: float = Field(1.0, gt=0, description="Of kto: weight of the chosen replies' loss.")
    undesirable_weight: float = Field(1.0, gt=0, description="Of kto: weight of the rejected replies' loss.")
    learning_rate: float = Field(5e-5, gt=0, description="Highest learning rate.")
    scheduler: Literal["cosine", "linear", "constant", "constant_with_warmup"] = Field(
        "cosine", description="Course of the learning rate after the warm-up."
    )
    warmup: float = Field(0.1, ge=0, description="Warm-up: below 1 a share of all steps, else a number of steps.")
    epochs: float = Field(1, gt=0, description="Passes over the preferences.")
    max_steps: int | None = Field(None, ge=1, description="Stop after so many optimizer steps, whatever the epochs.")
    batch_size: int = Field(4, ge=1, description="Preferences that a device takes at once; at least 2 for kto.")
    gradient_accumulation: int = Field(4, ge=1, description="Batches added up before each optimizer step.")
    weight_decay: float = Field(0.0, ge=0, description="Weight decay of AdamW.")
    adam_beta2: float = Field(0.999, gt=0, lt=1, description="Second beta of AdamW.")
    max_grad_norm: float = Field(1.0, ge=0, description="Gradients are clipped to this norm; 0 is no clipping.")
    max_length: int = Field(2048, ge=8, description="Tokens of prompt and reply; a longer reply is cut.")
    max_truncated_share: float = Field(0.05, ge=0, le=1, description="Fail if a larger share of replies is cut.")
    long_prompts: Literal["refuse", "leave_out"] = Field(
        "refuse", description="Preferences whose prompt alone fills max_length: fail, or go on without them."
    )
    gradient_checkpointing: bool | None = Field(
        None, description="Less memory for more time; if not given, on where the estimate says that it must be."
    )
    seed: int = Field(0, ge=0, description="Seed of the order of preferences.")
    save_steps: int = Field(200, ge=1, description="Steps between checkpoints.")

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        beta = BETAS.get(str(given.get("method", "dpo")))
        return given if beta is None else {"beta": beta, **given}

    @model_validator(mode="after")
    def _fitting(self) -> TuneSpec:
        if self.method == "kto" and self.batch_size < 2:
            raise ValueError("batch_size = 1 with kto, whose KL is of other replies in the batch: take at least 2")
        return self

    @property
    def paired(self) -> bool:
        """Whether it takes pairs; else replies that are chosen or rejected each."""
        return self.method != "kto"

    def training(self, train: TrainSpec) -> TrainSpec:
        """[train] with what is otherwise here."""
        return train.model_copy(update={**{name: getattr(self, name) for name in _OWN}, **_PLAIN})

    @property
    def first_loss(self) -> float | None:
        """The loss of a policy that is its own reference, which the first step must show; None where none is known."""
        if self.method == "kto":
            return 0.5 if self.reference == "sft" and self.desirable_weight == self.undesirable_weight == 1 else None
        if self.method != "dpo" or self.reference != "sft":
            return None
        return {"sigmoid": 0.6931471805599453, "hinge": 1.0, "ipo": (1 / (2 * self.beta)) ** 2}[self.loss]
