"""A server that generates: where it is, what it calls each subject, how hard it may be asked. Nothing is sent here."""

from __future__ import annotations

import os

from pydantic import BaseModel, ConfigDict, Field, field_validator

from storage.records import UsageError
from tasks.clients.secrets import keyless

KEY = "OPENAI_API_KEY"


class ServerSpec(BaseModel):
    """An OpenAI-compatible server: vLLM, LoRAX, SGLang, DashScope's compatible mode, OpenAI."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str | None = Field(None, description="Its address, such as http://host:8000/v1; else OPENAI_BASE_URL.")
    models: dict[str, str] = Field(
        default_factory=dict,
        description="What it calls base, logic/1 and so on (to LoRAX an adapter_id); by default their own names.",
    )
    workers: int = Field(32, ge=1, le=512, description="Requests in flight at once; fewer while it turns some away.")
    timeout: float = Field(600.0, gt=0, description="Seconds until one call is given up and tried again.")
    max_attempts: int = Field(8, ge=1, description="Calls for one reply before the evaluation stops, resumably.")
    first_wait: float = Field(0.5, ge=0, description="Seconds before the second call; it doubles from there.")
    longest_wait: float = Field(30.0, ge=0, description="Longest wait between two calls, in seconds.")
    requests_per_minute: int | None = Field(None, ge=1, description="Most requests begun in any minute.")

    _keyless = field_validator("base_url")(keyless)

    @property
    def address(self) -> str:
        """The address. UsageError if neither recipe nor environment gives one."""
        if found := self.base_url or os.environ.get("OPENAI_BASE_URL"):
            return found
        raise UsageError(
            '[evaluate] engine = "openai" needs a server',
            expected='[evaluate.server] base_url = "http://…/v1", or OPENAI_BASE_URL',
            hint="a local one: python -m vllm.entrypoints.openai.api_server --model MODEL",
        )
