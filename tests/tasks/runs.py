"""Runs of reason in processes of their own, to be killed or to compete.

They are forked from one process that has done the slow imports once.
"""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from storage.home import Home
from storage.records import Question, Receipt
from storage.tables.questions import QUESTIONS, write
from tasks.reason.step import ReasonSpec, step
from tasks.runtime.step import run_step

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "langchain_openai",
        "openai.resources.chat.completions",
        "openai.lib.streaming.chat",
        "httpcore2",
        "tests.tasks.runs",
    ]
)


def questions(count: int, language: str = "en") -> list[Question]:
    if language == "zh":
        texts = [(f"问题 {n}：红灯亮。", "哪盏灯亮？", ("红", "绿", "蓝")) for n in range(count)]
    else:
        texts = [(f"Problem {n}: a lamp is on.", "Which?", ("red", "green", "blue")) for n in range(count)]
    return [Question(*text, "ABC"[n % 3]) for n, text in enumerate(texts)]


def parsed(home: Path, count: int) -> Receipt:
    """What the parse step would have left of so many questions."""
    folder = home / "artifacts" / "questions" / str(count)
    if not (folder / QUESTIONS).exists():
        folder.mkdir(parents=True)
        write(folder, questions(count), lambda group: "train")
    return Receipt("parse", "k", str(count), f"artifacts/questions/{count}", {}, {}, 0.0, "")


def once(home: Path, count: int, settings: dict[str, Any]) -> tuple[Receipt, str]:
    """The command, as it were."""
    os.environ["OPENAI_API_KEY"] = "any-key"
    spec = ReasonSpec(
        **{"teacher": "openai", "model": "m", "workers": 4, "first_wait": 0.01, "prompt": "explain", **settings}
    )
    return run_step(step(spec, parsed(home, count)), Home(home))


def apart(home: Path, count: int, settings: dict[str, Any]) -> ForkServerProcess:
    """The same in a process of its own, begun."""
    parsed(home, count)
    process = _CONTEXT.Process(target=once, args=(home, count, settings))
    process.start()
    return process
