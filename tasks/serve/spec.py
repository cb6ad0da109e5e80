"""Settings of a server: the recipe's `[serve]`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ServeSpec(BaseModel):
    """How base and adapters are served: the recipe's `[serve]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["auto", "vllm", "transformers"] = Field(
        "auto", description="What generates; auto is vLLM wherever it is installed, else transformers."
    )
    max_model_len: int | None = Field(None, ge=16, description="Longest prompt and reply together; else the model's.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field("auto", description="Numbers of the weights.")
    gpu_memory_utilization: float | None = Field(
        None, gt=0, le=1, description="Share of the device's memory for vLLM; by default 0.85, on a CPU 0.3."
    )
    tensor_parallel: int = Field(1, ge=1, description="GPUs that share one copy of the model (vLLM).")
    max_loras: int = Field(8, ge=1, le=256, description="Adapters in one batch; each takes its room on the device.")
    max_requests: int = Field(512, ge=1, description="Requests at once; more are told to come again.")
    max_body: int = Field(4 << 20, ge=1 << 10, description="Bytes of one request.")
    trust_remote_code: str | None = Field(
        None, description='Run code that comes with this very model: "MODEL@COMMIT", as [train] names it.'
    )
