"""From settings to a teacher: which one, its key and its address. Nothing is sent here.

Providers' packages take seconds to import, so each enters only when it is chosen.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from storage.records import UsageError
from tasks.step import code_version

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


class TeacherSpec(BaseModel):
    """Which teacher, and how it samples."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    teacher: Literal["openai", "dashscope", "embedded"] = Field(
        default="openai", description="Who explains: any OpenAI-compatible endpoint, DashScope, or the embedded solver."
    )
    model: str = Field(default="", description="The teacher's model, as its provider names it.")
    base_url: str | None = Field(default=None, description="The endpoint; by default the provider's own.")
    workers: int = Field(default=32, ge=1, le=512, description="Requests in flight at once.")
    timeout: float = Field(default=120.0, gt=0, description="Seconds until one call is given up and tried again.")
    max_tokens: int | None = Field(
        default=2048, ge=1, description="Longest reply; raising it asks again only for cut ones."
    )
    temperature: float | None = Field(
        default=None, ge=0, le=2, description="Sampling temperature; the model's own if empty."
    )
    top_p: float | None = Field(default=None, gt=0, le=1, description="Nucleus sampling; the model's own if empty.")
    thinking: bool | None = Field(default=None, description="Whether the model thinks first, where that is a choice.")
    thinking_budget: int | None = Field(default=None, ge=1, description="Most tokens of thinking.")


def model_name(spec: TeacherSpec) -> str:
    """The model as the ledger knows it: the embedded solver is named by its code. UsageError if none is named."""
    if spec.teacher == "embedded":
        return f"solver/{code_version('puzzles.solve')}"
    if not spec.model:
        raise UsageError(
            f'teacher = "{spec.teacher}" needs a model',
            expected='[reason] model = "…", as its provider names it',
            hint='or teacher = "embedded" for generated puzzles',
        )
    return spec.model


def teacher(spec: TeacherSpec) -> BaseChatModel:
    """The chat model a spec asks for. UsageError if its key is not in the environment."""
    if spec.teacher == "embedded":
        from tasks.teachers.embedded import SolverChat

        return SolverChat()
    model_name(spec)
    if spec.teacher == "dashscope":
        key = _key("DASHSCOPE_API_KEY", "dashscope")
        from tasks.teachers.dashscope import BASE_URL, QwenChat

        return QwenChat(
            model=spec.model,
            key=key,
            base_url=spec.base_url or os.environ.get("DASHSCOPE_BASE_URL") or BASE_URL,
            timeout=spec.timeout,
            connections=spec.workers,
            max_tokens=spec.max_tokens,
            temperature=spec.temperature,
            top_p=spec.top_p,
            thinking=bool(spec.thinking),
            thinking_budget=spec.thinking_budget,
        )
    key = _key("OPENAI_API_KEY", "openai")
    from tasks.teachers.openai import chat

    return chat(
        spec.model,
        key=key,
        base_url=spec.base_url or os.environ.get("OPENAI_BASE_URL") or None,
        timeout=spec.timeout,
        max_tokens=spec.max_tokens,
        temperature=spec.temperature,
        top_p=spec.top_p,
        thinking=spec.thinking,
        thinking_budget=spec.thinking_budget,
    )


def _key(variable: str, name: str) -> SecretStr:
    value = os.environ.get(variable, "").strip()
    if not value:
        raise UsageError(
            f'teacher = "{name}" needs a key',
            seen=f"{variable} is not set",
            expected=f"the key in the environment variable {variable}",
            hint=f"export {variable}=…  (a local server that wants no key takes any word)",
        )
    return SecretStr(value)
