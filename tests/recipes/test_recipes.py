"""The recipes over dialogues: a tiny base learns a share of real data, and its adapters load wherever adapters do."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.chain import chain
from flows.recipe import load
from storage import warehouse
from storage.home import Home
from storage.records import Receipt
from tasks.runtime.step import Step, run_step
from tests.chains import follow
from tests.tiny import tiny_base

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT / ".." / "shared" / "data"
# the recipe, its real data, and the characters of the longest rows that a tiny base takes
SOURCES = {
    "chat": ("fastchat/dummy_conversation_500.json", 500),
    "sql": ("sql_spider/question_context_answer.jsonl", 900),
    "proofnet": ("proofnet/valid.jsonl", 2000),
    "roleplay": ("huanhuan/huanhuan.json", 130),
}
STEPS, BATCH = 40, 8
SETTINGS = ["parse.valid=0.2", "parse.test=0.1", "train.rank=8", "train.learning_rate=2e-2", f"train.max_steps={STEPS}"]
SETTINGS += [f"train.batch_size={BATCH}", "train.gradient_accumulation=1", "train.max_length=900"]
SETTINGS += ["train.gradient_checkpointing=false", "train.max_truncated_share=0.2"]
SETTINGS += ['train.report_to=["none"]', 'evaluate.engine="transformers"', "evaluate.limit=8", "evaluate.max_tokens=24"]
PROMPT = "<|im_start|>user\nWho are you?<|im_end|>\n<|im_start|>assistant\n"

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not SHARED.exists(), reason="the sample data are not beside this checkout"),
]


def share(source: Path, longest: int, out: Path, most: int = 240) -> Path:
    """Short rows from all over the file."""
    text = source.read_text("utf-8")
    rows = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    short = [row for row in rows if len(json.dumps(row, ensure_ascii=False)) <= longest]
    taken = short[:: max(1, len(short) // most)]
    out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in taken), "utf-8")
    return out


class Trained:
    """What a recipe came to: receipts by step, and where they lie."""

    def __init__(self, name: str, base: Path, folder: Path) -> None:
        source, longest = SOURCES[name]
        data = share(SHARED / source, longest, folder / "data.jsonl")
        self.home, self.receipts = Home(folder / "home"), dict[str, Receipt]()
        changes = [f'parse.path="{data}"', f'train.base_model="{base}"', *SETTINGS]
        follow(chain(load(ROOT / "recipes" / f"{name}.toml", changes), self.home.root), self.do)

    def do(self, step: Step) -> Receipt:
        self.receipts[step.name], _ = run_step(step, self.home)
        return self.receipts[step.name]

    @property
    def adapter(self) -> Path:
        return self.home.root / self.receipts["train"].artifact

    def valid(self) -> list[dict[str, Any]]:
        return pl.read_parquet(self.home.root / self.receipts["assemble"].artifact / "valid.parquet").to_dicts()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trained]:
    return {name: Trained(name, base, tmp_path_factory.mktemp(name)) for name in SOURCES}


def loss(model: Any, tokenizer: Any, rows: list[dict[str, Any]]) -> float:
    """Mean negative log-likelihood of the completions' tokens, by plain transformers, one row at a time."""
    import torch

    total = count = 0.0
    for row in rows:
        head = tokenizer.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
        whole = tokenizer.apply_chat_template([*row["prompt"], *row["completion"]], tokenize=False)
        ids = tokenizer(whole, add_special_tokens=False, return_tensors="pt")["input_ids"]
        labels = ids.clone()
        labels[:, : len(tokenizer(head, add_special_tokens=False)["input_ids"])] = -100
        taught = int((labels != -100).sum())
        with torch.inference_mode():
            total += float(model(input_ids=ids, labels=labels).loss) * taught
        count += taught
    return total / count


@pytest.mark.parametrize("name", SOURCES)
def test_a_recipe_for_dialogues_ends_in_an_adapter_and_no_group_crosses_its_splits(
    name: str, trained: dict[str, Trained]
) -> None:
    made = trained[name]
    crossing = """
        select "group" from (select "group", split from dialogues union all select "group", split from examples)
        group by all having count(distinct split) > 1"""
    facts = made.receipts["train"].facts

    assert list(made.receipts) == ["parse", "assemble", "train", "evaluate", "report"]
    assert warehouse.query(made.home, crossing) == []
    assert all(made.receipts["assemble"].facts["rows"].values())
    assert facts["steps"] == STEPS
    assert facts["truncated"] == 0


@pytest.mark.parametrize("name", SOURCES)
def test_the_adapter_loads_in_plain_peft_and_its_validation_loss_has_fallen(
    name: str, trained: dict[str, Trained], base: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    made = trained[name]
    tokenizer = AutoTokenizer.from_pretrained(made.adapter)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(made.adapter)).eval()
    rows = made.valid()
    with model.disable_adapter():
        before = loss(model, tokenizer, rows)
    after = loss(model, tokenizer, rows)

    assert after < 0.9 * before
    assert math.isclose(after, made.receipts["train"].facts["valid_loss"], rel_tol=0.1)  # means over other batches


def test_any_text_goes_through_the_tiny_tokenizer(base: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    for text in (
        "嘘——都说许愿说破是不灵的。",
        "∀ K : subgroup G, K ≤ H ∨ H ⊔ K = ⊤",
        "\x00\x7f\t€😀",
        "SELECT count(*)",
    ):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


@pytest.mark.vllm
def test_every_adapter_loads_in_vllm_and_says_something_else_than_the_base(
    trained: dict[str, Trained], base: Path
) -> None:
    folders = [str(trained[name].adapter) for name in SOURCES]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("adapters_in_vllm.py")), str(base), PROMPT, *folders],
        env={
            **os.environ,
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "VLLM_LOGGING_LEVEL": "WARNING",
            "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    plain, *adapted = json.loads(done.stdout.splitlines()[-1])

    assert len(adapted) == len(SOURCES)
    assert plain not in adapted
    assert len(set(adapted)) == len(adapted)
