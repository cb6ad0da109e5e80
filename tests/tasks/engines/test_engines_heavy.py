"""Real engines on a tiny random base with a random adapter: what they say must not depend on who asks or how."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from storage.home import Home
from storage.journal import rows
from storage.records import Question, Receipt
from storage.tables.questions import write
from storage.tables.samples import SAMPLES
from tasks.engines.interface import Completion, Encoded, Loading, Reader, Request
from tasks.engines.open import open_engine
from tasks.engines.transformers import TransformersEngine
from tasks.evaluate.spec import EvaluateSpec
from tasks.evaluate.step import step
from tasks.runtime.step import run_step
from tests.tiny import tiny_base

pytestmark = pytest.mark.heavy
TURNS = ("left", "right", "north", "east")


def question(n: int) -> Question:
    turns = " ".join(f"{k}) The robot turns {TURNS[(n >> k) % 4]}." for k in range(2 + n % 3))
    if n % 3 == 0:
        return Question(f"机器人向左转。{turns}", "它朝哪个方向？", ("北", "东", "南"), "ABC"[n % 3], split="test")
    return Question(f"{turns} ({n})", "Which way does it look?", TURNS, "ABCD"[n % 4], split="test")


QUESTIONS = [question(n) for n in range(12)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A random base, and a PEFT folder whose weights are as large as the base's."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    root = tmp_path_factory.mktemp("tiny")
    base = tiny_base(root / "base")
    config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(root / "adapter")
    (root / "adapter" / "adapter.json").write_text("{}")
    return SimpleNamespace(base_model=str(base), revision=None, adapter=root / "adapter")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny: SimpleNamespace) -> Home:
    home = Home(tmp_path_factory.mktemp("home"))
    (home.root / "artifacts" / "questions").mkdir(parents=True)
    write(home.root / "artifacts" / "questions", QUESTIONS, lambda group: "test")
    shutil.copytree(tiny.adapter, home.adapters / "tiny" / "1")
    return home


def receipt(step: str, artifact: str) -> Receipt:
    return Receipt(step, step, step, artifact, {}, {}, 0.0, "")


def evaluated(home: Home, tiny: SimpleNamespace, **settings: Any) -> tuple[dict[str, Any], pl.DataFrame]:
    spec = EvaluateSpec(**{"votes": 2, "max_tokens": 24, **settings})
    one = step(spec, tiny, receipt("parse", "artifacts/questions"), receipt("train", "adapters/tiny/1"))
    made, _ = run_step(one, home)
    return dict(made.facts), pl.read_parquet(home.root / made.artifact / SAMPLES)


@pytest.fixture(scope="module")
def transformers_run(home: Home, tiny: SimpleNamespace) -> tuple[dict[str, Any], pl.DataFrame]:
    return evaluated(home, tiny, engine="transformers")


def alone(tiny: SimpleNamespace, question: Question, adapter: bool) -> str:
    """The greedy reply as plain transformers and PEFT give it, one prompt at a time."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from prompts import choice

    tokenizer = AutoTokenizer.from_pretrained(tiny.base_model)
    model = AutoModelForCausalLM.from_pretrained(tiny.base_model)
    if adapter:
        model = PeftModel.from_pretrained(model, str(tiny.adapter))
    messages = [m.dict() for m in choice.solve(question)]
    inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.inference_mode():
        out = model.generate(**inputs, max_new_tokens=24, do_sample=False)
    return str(tokenizer.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))


def greedy(samples: pl.DataFrame, subject: str) -> dict[str, str]:
    found = samples.filter((pl.col("index") == -1) & (pl.col("subject") == subject))
    return dict(found.select("question", "text").iter_rows())


def test_a_batch_says_what_plain_generation_says_one_by_one(
    transformers_run: tuple[dict[str, Any], pl.DataFrame], tiny: SimpleNamespace
) -> None:
    _, samples = transformers_run

    for subject, adapter in (("base", False), ("tiny/1", True)):
        assert {q.id: alone(tiny, q, adapter) for q in QUESTIONS[:4]}.items() <= greedy(samples, subject).items()


def test_every_forced_reply_is_a_letter_of_its_question(
    transformers_run: tuple[dict[str, Any], pl.DataFrame],
) -> None:
    facts, samples = transformers_run
    forced = samples.filter(pl.col("index") == -2)
    letters = {q.id: q.letters for q in QUESTIONS}

    assert 2 * len(QUESTIONS) == len(forced)
    assert all(row["answer"] in letters[row["question"]] for row in forced.iter_rows(named=True))
    assert all("could be read" in warning for warning in facts["warnings"]), "a random base says nothing, and no more"


class Heard(Reader):
    """A reader that remembers the tokens of each reply."""

    def completion(self, encoded: Encoded, ids: Sequence[int], total: float | None = None) -> Completion:
        self.tokens = {**getattr(self, "tokens", {}), encoded.request.key: (encoded.ids, list(ids))}
        return super().completion(encoded, ids, total)


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_the_mean_log_probability_of_a_reply_is_that_of_its_tokens_under_the_model(
    tiny: SimpleNamespace, temperature: float
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    engine = TransformersEngine(Loading(tiny.base_model))
    reader = engine.readers["base"]
    engine.readers["base"] = heard = Heard(reader.tokenizer, reader.context, reader.stops)
    asked = [Request(str(n), "base", q.problem, 8 + n, temperature, 0.9, n) for n, q in enumerate(QUESTIONS[:4])]
    model = AutoModelForCausalLM.from_pretrained(tiny.base_model)

    for done in engine.generate(asked):
        prompt, reply = heard.tokens[done.key]
        with torch.inference_mode():
            shares = model(torch.tensor([prompt + reply])).logits[0].log_softmax(-1)
        chosen = shares[len(prompt) - 1 : -1].gather(-1, torch.tensor(reply)[:, None])
        assert pytest.approx(float(chosen.mean()), abs=1e-4) == done.logprob


@pytest.mark.process
def test_copies_of_an_engine_say_what_one_says_and_end_with_it(tiny: SimpleNamespace) -> None:
    loading = Loading(tiny.base_model, {"tiny/1": tiny.adapter}, data_parallel=2)
    asked = [
        Request(f"{subject} {n}", subject, q.problem, 12, 0.7 * (n % 2), 1.0, n)
        for n, q in enumerate(QUESTIONS[:6])
        for subject in ("base", "tiny/1")
    ]
    both = open_engine("transformers", loading)
    together = {c.key: c.text for c in both.generate(asked)}
    again = {c.key: c.text for c in both.generate(asked[:3])}
    both.close()
    alone = {c.key: c.text for c in TransformersEngine(loading).generate(asked)}

    assert alone == together
    assert again.items() <= alone.items()
    assert 2 == both.facts["copies"]
    assert [] == multiprocessing.active_children()


def test_a_prompt_that_fills_the_context_is_an_outcome_and_not_a_crash(home: Home, tiny: SimpleNamespace) -> None:
    facts, samples = evaluated(home, tiny, engine="transformers", max_model_len=64)

    assert {"overflow"} == set(samples["finish"])
    assert (1.0, 1.0) == (facts["base"]["overflow"], facts["base"]["unreadable"])
    assert any("max_model_len" in warning for warning in facts["warnings"])


def test_votes_are_drawn_alike_whatever_else_is_in_the_batch(home: Home, tiny: SimpleNamespace, tmp_path: Path) -> None:
    fresh = Home(tmp_path)
    shutil.copytree(home.root / "artifacts" / "questions", fresh.root / "artifacts" / "questions")
    shutil.copytree(home.adapters, fresh.adapters)

    _, few = evaluated(fresh, tiny, engine="transformers", limit=3)
    _, all_of_them = evaluated(home, tiny, engine="transformers")

    joined = few.join(all_of_them, on=["question", "subject", "index"], suffix="_all")
    assert 3 * 2 * 4 == len(joined)
    assert joined["text"].to_list() == joined["text_all"].to_list()


@pytest.fixture
def killed(home: Home, tiny: SimpleNamespace, tmp_path: Path) -> Iterator[tuple[Home, int]]:
    """An evaluation killed in its midst, and how many samples had been kept by then."""
    other = Home(tmp_path)
    shutil.copytree(home.root / "artifacts" / "questions", other.root / "artifacts" / "questions")
    shutil.copytree(home.adapters, other.adapters)
    script = (
        "import sys; from types import SimpleNamespace as S; from pathlib import Path; from storage.home import Home\n"
        "from tests.tasks.engines.test_engines_heavy import evaluated\n"
        f"evaluated(Home(Path({str(other.root)!r})), S(base_model={tiny.base_model!r}, revision=None),"
        " engine='transformers', votes=3, max_tokens=200)"
    )
    run = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while run.poll() is None and not any(rows(other.samples)):
            pass
        os.kill(run.pid, signal.SIGKILL)
    finally:
        run.wait()
    yield other, sum(1 for _ in rows(other.samples))


def test_a_kill_loses_no_finished_sample(killed: tuple[Home, int], tiny: SimpleNamespace) -> None:
    home, kept = killed

    facts, samples = evaluated(home, tiny, engine="transformers", votes=3, max_tokens=200)

    wanted = 2 * len(QUESTIONS) * (3 + 2)
    assert 0 < kept < wanted == len(samples)
    assert wanted - facts["work"]["asked"] >= kept
    assert wanted == sum(1 for _ in rows(home.samples))


@pytest.mark.vllm
def test_vllm_says_greedily_what_transformers_says_for_base_and_adapter(
    home: Home, tiny: SimpleNamespace, transformers_run: tuple[dict[str, Any], pl.DataFrame]
) -> None:
    facts, samples = evaluated(home, tiny, engine="vllm", votes=3)

    assert ("vllm", "float32") == (facts["engine"], facts["work"]["engine"]["dtype"])
    for subject in ("base", "tiny/1"):
        assert greedy(transformers_run[1], subject) == greedy(samples, subject)
    assert greedy(samples, "base") != greedy(samples, "tiny/1")
    assert 2 * len(QUESTIONS) * (3 + 2) == len(samples)
    assert json.dumps(facts)
    alike = transformers_run[1].join(samples, on=["subject", "question", "index"]).filter(pl.col("index") == -1)
    assert pytest.approx(alike["logprob"].to_list(), abs=1e-3) == alike["logprob_right"].to_list()
