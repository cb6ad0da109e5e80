"""The recipe's [evaluate]: who is asked beside base and adapters, how replies are drawn, and what makes them right."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from tasks.engines.openai_spec import ServerSpec
from tasks.evaluate.candidates import Base
from tasks.evaluate.generation import Adaptive, Mismatch
from tasks.evaluate.judging import JudgeSpec
from tasks.evaluate.paid import ApiSpec
from tasks.evaluate.rivals import Rival, rival
from tasks.kinds.text_to_sql import SqlSpec
from tasks.models import base_models
from tasks.runtime.own_function import Function


class EvaluateSpec(SqlSpec):
    """How base and adapter are compared."""

    base_model: str | None = Field(
        None, description="A model to measure as it is, by a recipe without [train]: a folder or a hub's name."
    )
    revision: str | None = Field(None, description="Commit or tag of that model on the hub.")
    engine: Literal["auto", "vllm", "transformers", "openai"] = Field(
        "auto", description="What generates; auto is vLLM wherever it is installed, else transformers."
    )
    votes: int = Field(5, ge=1, le=255, description="Replies drawn for each question; the majority answers.")
    adaptive: Adaptive = Field(
        "off",
        description="Stop a question's votes once its winner cannot change (exact), is likely enough (beta), or is "
        "what a window of votes agrees on. Curves and calibration then end at the votes that all questions have.",
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Of beta: how likely the winner leads in truth.")
    window: int = Field(4, ge=2, description="Of window: so many votes that agree.")
    weighting: Literal["none", "logprob"] = Field(
        "none", description="logprob: a vote weighs as much as the model believed its reply. Needs all votes."
    )
    shuffles: int = Field(
        0, ge=0, le=24, description="Ask each question again under so many other orders of its options, by votes alone."
    )
    temperature: float = Field(0.7, gt=0, le=5, description="Temperature of the votes; the greedy reply stands beside.")
    top_p: float = Field(1.0, gt=0, le=1, description="Draw from the likeliest tokens that hold this share.")
    max_tokens: int = Field(1024, ge=1, description="Longest reply, in tokens.")
    limit: int | None = Field(None, ge=1, description="Ask only so many test questions, chosen by their content.")
    seed: int = Field(0, ge=0, description="Another seed draws other votes.")
    max_model_len: int | None = Field(
        None, ge=16, description="Longest prompt and reply together; by default what questions and model need."
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field("auto", description="Numbers of the weights.")
    adapters: Literal["auto", "merged", "on_the_fly"] = Field(
        "auto",
        description="How vLLM applies adapters; auto is on the fly on a GPU, merged (three times faster) on a CPU.",
    )
    gpu_memory_utilization: float | None = Field(
        None, gt=0, le=1, description="Share of the device's memory for vLLM; by default 0.85, on a CPU 0.3."
    )
    tensor_parallel: int = Field(1, ge=1, description="GPUs that share one copy of the model (vLLM).")
    data_parallel: int = Field(
        1, ge=1, le=64, description="Copies of the model, each on GPUs of its own, that share the questions."
    )
    models: list[str] = Field(
        [],
        description="Models that answer beside the base and the adapter: openai:MODEL, dashscope:MODEL, hub:ORG/NAME.",
    )
    api: ApiSpec = Field(default_factory=ApiSpec, description="How models behind an API are asked, and their prices.")
    server: ServerSpec = Field(default_factory=ServerSpec, description='The server of engine = "openai".')
    on_mismatch: Mismatch = Field(
        "refuse", description="An adapter trained with another rendering than [train] says; warn asks it with its own."
    )
    scorer: str | None = Field(
        None, description='A function of your own that scores replies, "my_scorers.py:NAME", beside the recipe.'
    )
    lean: list[str] = Field([], description='For proofs: what checks a file, such as ["lake", "env", "lean"].')
    judge: JudgeSpec | None = Field(None, description="For chats: a model that compares replies; asked as a teacher.")

    @field_validator("models")
    @classmethod
    def _known(cls, models: list[str]) -> list[str]:
        for name in models:
            rival(name)
        if len(set(models)) < len(models):
            raise ValueError(f"a model is named twice: {', '.join(models)}")
        return models

    @property
    def function(self) -> Function | None:
        """The user's own scorer. UsageError if its file is not there."""
        return Function.of(self.scorer) if self.scorer else None

    @property
    def rivals(self) -> list[Rival]:
        """The models beside the base and the adapters."""
        return [rival(name) for name in self.models]

    @model_validator(mode="after")
    def _weights_need_all_votes(self) -> Self:
        if self.weighting != "none" and self.adaptive != "off":
            raise ValueError('weighting needs all votes, early stopping counts plain ones: set adaptive = "off"')
        if self.weighting != "none" and any(one.provider for one in self.rivals):
            raise ValueError('weighting needs log-probabilities, which models of an API do not give: set "none"')
        return self

    def loading(self, model: Base) -> dict[str, Any]:
        """Fields of `tasks.engines.interface.Loading` for this model, adapters apart."""
        return {
            "model": str(base_models.folder(model.base_model) or model.base_model),
            "revision": model.revision,
            "dtype": self.dtype,
            "max_model_len": self.max_model_len,
            "gpu_memory_utilization": self.gpu_memory_utilization,
            "tensor_parallel": self.tensor_parallel,
            "data_parallel": self.data_parallel,
            "applied": None if self.adapters == "auto" else self.adapters,
        }
