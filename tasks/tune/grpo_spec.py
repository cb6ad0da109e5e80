"""Settings of reinforcement with a reward that can be checked: the recipe's `[grpo]`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.train.spec import TrainSpec
from tasks.tune.rewards import PARTS

# of [grpo], what takes the place of [train]'s setting of the same name
_OWN = (
    "learning_rate", "warmup", "max_steps", "batch_size", "gradient_accumulation", "max_grad_norm", "seed",
    "save_steps",
)  # fmt: skip


class GrpoSpec(BaseModel):
    """How an adapter goes on from replies of its own that are rewarded; a reply without an answer is worth nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    answer: float = Field(1.0, ge=0, description="Weight of a right answer, read as evaluation reads it.")
    format: float = Field(0.1, ge=0, description="Weight of steps that are followed by one answer line.")
    length: float = Field(0.0, ge=0, description="Weight of staying within length_target.")
    length_target: int = Field(1_000, ge=1, description="Characters up to which the length part is 1; 0 at twice that.")
    questions: int | None = Field(None, ge=1, description="Ask only so many training questions, chosen by content.")
    replies: int = Field(8, ge=2, description="Replies to one question, whose rewards are compared.")
    temperature: float = Field(1.0, gt=0, le=5, description="Temperature of the replies.")
    top_p: float = Field(1.0, gt=0, le=1, description="Draw from the likeliest tokens that hold this share.")
    max_tokens: int = Field(512, ge=1, description="Longest reply, in tokens; one that is cut is worth nothing.")
    learning_rate: float = Field(1e-4, gt=0, description="Highest learning rate.")
    warmup: float = Field(0, ge=0, description="Warm-up: below 1 a share of all steps, else a number of steps.")
    max_steps: int = Field(100, ge=1, description="Optimizer steps.")
    batch_size: int = Field(16, ge=2, description="Replies a pass; a multiple of `replies`.")
    gradient_accumulation: int = Field(1, ge=1, description="Batches added up before each optimizer step.")
    max_grad_norm: float = Field(1.0, ge=0, description="Gradients are clipped to this norm; 0 is no clipping.")
    seed: int = Field(0, ge=0, description="Seed of the order of questions and of the replies.")
    save_steps: int = Field(50, ge=1, description="Steps between checkpoints.")

    @model_validator(mode="after")
    def _fitting(self) -> GrpoSpec:
        if self.batch_size % self.replies:
            raise ValueError(f"batch_size = {self.batch_size} is no multiple of replies = {self.replies}")
        if not any(self.weights.values()):
            raise ValueError("every weight is 0: nothing would be rewarded")
        return self

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each part."""
        return {name: getattr(self, name) for name in PARTS}

    def training(self, train: TrainSpec) -> TrainSpec:
        """[train] with what is otherwise here."""
        plain: dict[str, Any] = {
            "loss": "completion", "learn_thinking": True, "packing": False, "neftune_alpha": None, "eval_steps": None,
            "keep_best": False, "patience": None, "dropout": 0.0, "epochs": 1_000, "scheduler": "constant_with_warmup",
        }  # fmt: skip
        return train.model_copy(update={**{name: getattr(self, name) for name in _OWN}, **plain})
