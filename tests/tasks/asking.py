"""reason in this process, against a local server through the real clients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from storage.home import Home
from storage.records import Question, Receipt
from storage.tables.questions import Stored, write
from tasks.reason.rationales import TABLE
from tasks.reason.step import ReasonSpec, reason
from tasks.runtime.step import Result, Tick, Workshop
from tests.fakes import TeacherServer

KEY = "sk-planted-0123456789abcdef"
MIX = {"wrong": 0.15, "unreadable": 0.15, "429": 0.15, "429-after": 0.1, "500": 0.15, "reset": 0.1}


def plant(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment with keys that must never be seen again."""
    for name in ("OPENAI_BASE_URL", "DASHSCOPE_HTTP_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)


def spec_for(server: TeacherServer, teacher: str = "openai", **changes: Any) -> ReasonSpec:
    url = server.dashscope_url if teacher == "dashscope" else server.openai_url
    settings = {
        "teacher": teacher,
        "model": "m",
        "base_url": url,
        "workers": 8,
        "first_wait": 0.01,
        "prompt": "explain",
    }
    return ReasonSpec(**{**settings, **changes})


def run(
    home: Path,
    spec: ReasonSpec,
    asked: list[Question],
    ticks: list[Tick] | None = None,
    settled: frozenset[str] = frozenset(),
) -> Result:
    folder = home / "work"
    folder.mkdir(parents=True, exist_ok=True)
    shop = Workshop(folder, Home(home), ticks.append if ticks is not None else lambda tick: None)
    return reason(spec, asked, shop, settled)


def stored(folder: Path, asked: list[Question]) -> Stored:
    """Questions as the parse step leaves them."""
    folder.mkdir(parents=True)
    write(folder, asked, lambda group: "train")
    return Stored(Home(folder), Receipt("parse", "", "", ".", {}, {}, 0.0, ""))


def table(home: Path) -> pl.DataFrame:
    return pl.read_parquet(home / "work" / TABLE)


def everything(home: Path) -> str:
    """Every byte of a folder, read as text."""
    return "".join(p.read_bytes().decode("utf-8", "replace") for p in home.rglob("*") if p.is_file())
