"""Settings of a training run: the recipe's `[train]`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from prompts.rendering import Name, Wish
from tasks.train import presets, tracking


class TrainSpec(BaseModel):
    """Settings of a training run; the defaults suit a 7B model on one 24 GB GPU.

    What the user leaves out is filled in by the preset, then by the method (`tasks.train.presets`), so that the
    resolved recipe shows every value that was used.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: Literal["8gb", "24gb", "80gb"] | None = Field(
        None, description="Memory of one GPU: sets what you leave out, for a model of 7B parameters."
    )

    base_model: str = Field(description="Folder or hub name of the base model, spelled as it will be served.")
    revision: str | None = Field(None, description="Commit or tag of a hub's model; pin it to be sure of the weights.")
    method: Literal["lora", "qlora", "full"] = Field(
        "lora", description="How: an adapter, an adapter on a base held in 4 bits, or all weights."
    )
    rank: int = Field(16, ge=1, description="Rank of the adapter's matrices; one of those that vLLM serves.")
    alpha: float | None = Field(None, gt=0, description="Scale of the adapter, over rank; twice the rank if not given.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout before the adapter's matrices.")
    use_rslora: bool = Field(False, description="Scale by alpha over the root of the rank (rsLoRA).")
    use_dora: bool = Field(False, description="Learn the columns' lengths apart from their directions (DoRA).")
    target_modules: Literal["all-linear"] | list[str] = Field(
        "all-linear", description="Layers to adapt: all linear ones but the head, or names such as q_proj."
    )
    modules_to_save: list[str] = Field(
        [], description="Modules trained whole and saved with the adapter, such as lm_head."
    )
    neftune_alpha: float | None = Field(None, gt=0, description="Noise on the embeddings while training (NEFTune).")
    template: Name = Field(
        "own", description="Chat template: the base model's own, or chatml, mistral or yuan2 with the tokens it needs."
    )
    system: str | None = Field(None, description="System prompt of rows that bring none; evaluation asks with it too.")
    thinking: bool | None = Field(
        None, description="Thinking mode (the template's enable_thinking); the template's own choice if not given."
    )
    loss: Literal["completion", "assistant", "last", "split"] = Field(
        "completion",
        description="Which answers teach: the completion's, all of a row, its last, or each in a sample of its own.",
    )
    learn_thinking: bool = Field(True, description="Learn what stands between <think> tags too.")
    epochs: float = Field(3, gt=0, description="Passes over the snapshot.")
    max_steps: int | None = Field(None, ge=1, description="Stop after so many optimizer steps, whatever the epochs.")
    learning_rate: float = Field(2e-4, gt=0, description="Highest learning rate; 2e-5 by default for all weights.")
    scheduler: Literal["cosine", "linear", "constant", "constant_with_warmup"] = Field(
        "cosine", description="Course of the learning rate after the warm-up."
    )
    warmup: float = Field(0.03, ge=0, description="Warm-up: below 1 a share of all steps, else a number of steps.")
    batch_size: int = Field(4, ge=1, description="Rows a device takes at once.")
    gradient_accumulation: int = Field(4, ge=1, description="Batches added up before each optimizer step.")
    weight_decay: float = Field(0.0, ge=0, description="Weight decay of AdamW.")
    adam_beta2: float = Field(0.999, gt=0, lt=1, description="Second beta of AdamW.")
    max_grad_norm: float = Field(1.0, ge=0, description="Gradients are clipped to this norm; 0 is no clipping.")
    max_length: int = Field(2048, ge=8, description="Tokens of prompt and completion; a longer row is cut.")
    max_truncated_share: float = Field(0.05, ge=0, le=1, description="Fail if a larger share of rows is cut.")
    long_prompts: Literal["refuse", "leave_out"] = Field(
        "refuse",
        description="Rows whose prompt alone fills max_length: fail, or train on the others and tell how many.",
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Numbers of the base model; auto is bfloat16 on a GPU that has it, else float32."
    )
    attn_implementation: Literal["auto", "flash_attention_2", "sdpa", "eager"] = Field(
        "auto", description="Attention; auto is FlashAttention where it is installed, else the model's default."
    )
    packing: bool = Field(
        True, description="Lay a step's rows side by side instead of padding them; each still sees itself alone."
    )
    optimizer: Literal["auto", "adamw_torch", "adamw_torch_fused", "adamw_8bit", "paged_adamw_8bit"] = Field(
        "auto", description="AdamW; auto is paged and in 8 bits for qlora on a GPU, else plain."
    )
    gradient_checkpointing: bool | None = Field(
        None, description="Less memory for more time; if not given, on where the estimate says that it must be."
    )
    seed: int = Field(0, ge=0, description="Seed of the adapter's start, the order of rows and dropout.")
    save_steps: int = Field(200, ge=1, description="Steps between checkpoints.")
    eval_steps: int | None = Field(None, ge=1, description="Steps between looks at the validation loss; none if unset.")
    keep_best: bool = Field(False, description="Keep the weights of the lowest validation loss, not the last ones.")
    patience: int | None = Field(
        None, ge=1, description="Stop after so many looks at the validation loss without a lower one."
    )
    processes: int = Field(1, ge=1, description="Processes of accelerate launch, one a device, on all nodes together.")
    nodes: int = Field(1, ge=1, description="Machines that train together; all but the first run `ponens join`.")
    rendezvous: str | None = Field(
        None, pattern=r"^[^\s:/]+:\d{1,5}$", description="Where the nodes meet: the first one's address, as HOST:PORT."
    )
    report_to: list[tracking.Tracker] = Field(
        ["mlflow"], description="Who is told of the training: mlflow, wandb, tensorboard; none tells nobody."
    )
    strategy: Literal["ddp", "fsdp2", "zero2", "zero3"] = Field(
        "ddp", description="What several processes share: nothing, or (fsdp2, zero3) weights and optimizer."
    )
    offload: bool = Field(False, description="Keep shards in main memory: slower, for models that fit no other way.")

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, given: Any) -> Any:
        return presets.fill(given) if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _fitting(self) -> TrainSpec:
        if wrong := self._conflict():
            raise ValueError(wrong)
        return self

    def _conflict(self) -> str | None:
        """Why these settings cannot go together, or None."""
        wrong = [name for name in presets.ADAPTER_ONLY if getattr(self, name)]
        if self.method == "full" and wrong:
            return f'{", ".join(wrong)} with method = "full": these are for adapters'
        if isinstance(self.target_modules, list) and (head := next(filter(_is_head, self.target_modules), None)):
            return f"target_modules with {head!r}: TRL trains no low ranks of the head; modules_to_save trains it whole"
        if self.method == "qlora" and self.strategy in presets.SHARDED:
            shared = f'strategy = "{self.strategy}" cannot share out a base in 4 bits'
            return f'{shared}: take "ddp" or "zero2", or method = "lora"'
        if self.offload and self.strategy == "ddp":
            return 'offload needs strategy = "fsdp2", "zero2" or "zero3"'
        if self.nodes > 1 and not self.rendezvous:
            return 'nodes need rendezvous = "HOST:PORT": an address of the first node, and a port that is free there'
        if self.processes % self.nodes:
            return f"{self.processes} processes cannot be shared out evenly to {self.nodes} nodes"
        if (self.keep_best or self.patience) and not self.eval_steps:
            return "keep_best and patience need eval_steps: how often to look at the validation loss"
        return None

    @property
    def lora_alpha(self) -> float:
        """Scale of the adapter, over rank: `alpha`, or twice the rank."""
        return self.alpha or 2.0 * self.rank

    @property
    def wish(self) -> Wish:
        """How conversations are to be rendered."""
        return Wish(self.template, self.system, self.thinking)


def _is_head(module: str) -> bool:
    return module.rpartition(".")[2] in presets.HEADS
