"""Dialogues through the evaluate step with a real engine, real losses and a judge over HTTP."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from storage import warehouse
from storage.dialogues import Dialogue, Kind
from storage.home import Home
from storage.records import Message, Receipt
from storage.tables.dialogue_files import write
from tasks.evaluate.judging import JudgeSpec
from tasks.evaluate.spec import EvaluateSpec
from tasks.evaluate.step import step
from tasks.runtime.step import run_step
from tests.fakes import TeacherServer
from tests.tasks.asking import plant
from tests.tiny import tiny_base

pytestmark = pytest.mark.heavy
CHATS = [
    Dialogue((Message("user", f"Robot {n}: the lamp is on. Which?"), Message("assistant", "So the lamp is on.")))
    for n in range(6)
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A random base, an adapter as large, and a home that parse has been in."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    root = tmp_path_factory.mktemp("tiny")
    base, home = tiny_base(root / "base"), Home(root / "home")
    config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(root / "adapter")
    shutil.copytree(root / "adapter", home.adapters / "tiny" / "1")
    (home.adapters / "tiny" / "1" / "adapter.json").write_text("{}")
    (home.root / "artifacts" / "chats").mkdir(parents=True)
    write(home.root / "artifacts" / "chats", CHATS, lambda group: "test")
    return SimpleNamespace(base_model=str(base), revision=None, home=home)


def receipt(step: str, artifact: str) -> Receipt:
    return Receipt(step, step, step, artifact, {}, {}, 0.0, "")


def evaluated(made: SimpleNamespace, kind: Kind, **settings: Any) -> dict[str, Any]:
    spec = EvaluateSpec(**{"engine": "transformers", "max_tokens": 8, **settings})
    parsed, adapter = receipt("parse", "artifacts/chats"), receipt("train", "adapters/tiny/1")
    found, _ = run_step(step(spec, made, parsed, adapter, kind=kind), made.home)
    return dict(found.facts)


def test_chats_are_compared_by_loss_and_then_by_a_judge(made: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    by_loss = evaluated(made, "chat")

    assert ("loss", 6, 1) == (by_loss["scorer"], by_loss["counted"], by_loss["votes"])
    assert 1.0 == pytest.approx(by_loss["base"]["accuracy"] + by_loss["adapter"]["accuracy"])
    assert by_loss["base"]["measures"]["loss"] != by_loss["adapter"]["measures"]["loss"]
    with TeacherServer(lambda prompt, before: "verdict-tie") as server:
        judged = evaluated(made, "chat", judge=JudgeSpec(model="m", base_url=server.openai_url))
        asked = len(server.bodies)
    rows = warehouse.query(
        made.home, "select subject, count(*) as n, sum(value) as v from scores group by 1 order by 1"
    )

    assert ("judge", 6, 12) == (judged["scorer"], judged["judge"]["tie"], asked)
    assert by_loss["base"]["measures"]["loss"] == judged["base"]["measures"]["loss"]
    assert "cannot tell" == judged["paired"]["verdict"]
    assert 0 == judged["work"]["asked"]  # the replies of the first time
    assert [("base", 12), ("tiny/1", 12)] == [(row["subject"], row["n"]) for row in rows]
    assert [] == list(Path(made.home.root).rglob("losses.json"))


def test_instructions_are_voted_on(made: SimpleNamespace) -> None:
    facts = evaluated(made, "instruction", votes=2)

    assert ("instruction", 2, 6) == (facts["scorer"], facts["votes"], facts["counted"])
    assert facts["adapter"]["greedy_accuracy"] is not None
