"""From settings to a teacher: which one, its key and its address. Nothing is sent here.

Providers' packages take seconds to import, so each enters only when it is chosen.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from storage.records import UsageError
from tasks.clients import proxies
from tasks.clients.secrets import key_of, keyless
from tasks.models import base_models
from tasks.runtime.code_key import code_version
from tasks.runtime.step import Secret
from tasks.teachers.provider import PROVIDERS, Provider

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage


class Teacher(Protocol):
    """What the stage needs of a LangChain chat model, and that it gives back what it holds."""

    def invoke(self, input: Any, /, *, seed: int = 0) -> AIMessage: ...

    def close(self) -> None: ...


class TeacherSpec(BaseModel):
    """Which teacher, and how it samples."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    teacher: Literal["openai", "dashscope", "vllm", "embedded"] = Field(
        default="openai",
        description="Who explains: an OpenAI-compatible endpoint, DashScope, vLLM in this process, embedded solver.",
    )
    model: str = Field(default="", description="The teacher's model, as its provider names it; for vLLM also a folder.")
    revision: str | None = Field(default=None, description="For vLLM: a branch, tag or commit of a hub's model.")
    base_url: str | None = Field(
        default=None,
        description="The endpoint; else OPENAI_BASE_URL or DASHSCOPE_HTTP_BASE_URL, else the provider's own.",
    )
    workers: int = Field(default=32, ge=1, le=512, description="Requests in flight at once.")
    timeout: float = Field(default=120.0, gt=0, description="Seconds until one call is given up and tried again.")
    max_tokens: int | None = Field(
        default=2048, ge=1, description="Longest reply; raising it asks again only for cut ones."
    )
    temperature: float | None = Field(
        default=None, ge=0, le=2, description="Sampling temperature; the model's own if empty."
    )
    top_p: float | None = Field(default=None, gt=0, le=1, description="Nucleus sampling; the model's own if empty.")
    thinking: bool | None = Field(default=None, description="Whether the model thinks first; not sent if empty.")
    thinking_budget: int | None = Field(default=None, ge=1, description="Most tokens of thinking.")
    seed: int | None = Field(
        default=None, ge=0, description="Send each sample a seed of its own, made of this; vLLM is seeded in any case."
    )

    _keyless = field_validator("base_url")(keyless)

    @property
    def provider(self) -> Provider:
        """What is to be known of who the teacher is provided by."""
        return PROVIDERS[self.teacher]


def model_name(spec: TeacherSpec) -> str:
    """The model as the ledger knows it. UsageError if none is named.

    Weights that run here are named by what they are: a folder by its digest, a hub's by their revision.
    The embedded solver is named by its code.
    """
    if spec.provider.solver:
        return f"solver/{code_version('tasks.teachers.embedded')}"
    if not spec.model:
        raise UsageError(
            f'teacher = "{spec.teacher}" needs a model',
            expected='[reason] model = "…", as its provider names it',
            hint='or teacher = "embedded" for generated puzzles',
        )
    return _weights(spec.model, spec.revision) if spec.provider.weights else spec.model


@functools.cache
def _weights(model: str, revision: str | None) -> str:
    try:
        place = base_models.folder(model)
    except UsageError as error:
        raise UsageError(error.thing, seen=error.seen, expected=error.expected, hint="set [reason] model") from None
    if place is None:
        return f"{model}@{revision or 'main'}"
    return f"{place.name}@{base_models.identity(model)[:16]}"


def teacher(spec: TeacherSpec, secret: Secret = os.environ.get) -> Teacher:
    """The chat model a spec asks for, its key from `secret`. UsageError if there is none."""
    model_name(spec)
    return OPEN[spec.teacher](spec, secret)


def _embedded(spec: TeacherSpec, secret: Secret) -> Teacher:
    from tasks.teachers.embedded import SolverChat

    return SolverChat()


def _vllm(spec: TeacherSpec, secret: Secret) -> Teacher:
    from tasks.teachers.vllm import LocalChat

    return LocalChat(model=spec.model, revision=spec.revision, **_sampling(spec))


def _dashscope(spec: TeacherSpec, secret: Secret) -> Teacher:
    address, key = _access(spec, secret)
    from tasks.teachers.dashscope import QwenChat

    return QwenChat(
        model=spec.model,
        key=key,
        base_url=address,
        timeout=spec.timeout,
        connections=spec.workers,
        **_sampling(spec),
    )


def _openai(spec: TeacherSpec, secret: Secret) -> Teacher:
    address, key = _access(spec, secret)
    from tasks.teachers.openai import chat

    return chat(spec.model, key=key, base_url=address, timeout=spec.timeout, **_sampling(spec))


OPEN: dict[str, Callable[[TeacherSpec, Secret], Teacher]] = {
    "openai": _openai,
    "dashscope": _dashscope,
    "vllm": _vllm,
    "embedded": _embedded,
}


def _sampling(spec: TeacherSpec) -> dict[str, Any]:
    return {
        "max_tokens": spec.max_tokens,
        "temperature": spec.temperature,
        "top_p": spec.top_p,
        "thinking": spec.thinking,
        "thinking_budget": spec.thinking_budget,
    }


def _access(spec: TeacherSpec, secret: Secret) -> tuple[str, SecretStr]:
    """The address and the key of a provider that is asked over HTTP. UsageError if it cannot be reached, or no key."""
    address = str(address_of(spec))
    proxies.check(address, spec.provider.socks)
    return address, key_of(str(spec.provider.key), f'teacher = "{spec.teacher}"', secret)


def address_of(spec: TeacherSpec) -> str | None:
    """The address that is asked: the recipe's, else that in the environment, else the provider's own.

    The variables are the providers' own: DASHSCOPE_HTTP_BASE_URL of its SDK; OPENAI_BASE_URL, and the older
    OPENAI_API_BASE. None for what runs here.
    """
    provider = spec.provider
    told = (spec.base_url, *(os.environ.get(name) for name in provider.variables), provider.address)
    return next((url.strip() for url in told if url and url.strip()), None)
