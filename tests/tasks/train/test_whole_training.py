"""Real training of a tiny Qwen2, through accelerate launch where the process matters, else in this process."""

import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from storage.adapters import versions as adapters
from storage.home import Home
from storage.records import PonensError, Receipt
from tasks.runtime import process
from tasks.runtime.step import Tick, run_step
from tasks.train.order import TrainOrder
from tasks.train.spec import TrainSpec
from tasks.train.step import step
from tests.tiny import tiny_base

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]
WORDS = ["north", "south", "east", "west", "robot", "turns", "left", "right", "lamp", "ball", "cup", "two", "goes"]
STEPS = 60


def rows(count: int, seed: int = 0, words: int = 8) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    return [
        {
            "id": f"r{seed}-{n}",
            "group": f"g{n}",
            "split": "train",
            "prompt": [{"role": "user", "content": " ".join(draw.choices(WORDS, k=words))}],
            "completion": [{"role": "assistant", "content": draw.choice(WORDS) + "\nAnswer: B"}],
        }
        for n in range(count)
    ]


def snapshot(home: Home, train: list[dict[str, Any]], name: str = "s") -> Receipt:
    folder = home.root / "artifacts" / "snapshots" / name
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(train, schema=pl.DataFrame(rows(1)).schema).write_parquet(folder / "train.parquet")
    pl.DataFrame(rows(8, seed=1)).write_parquet(folder / "valid.parquet")
    (folder / "manifest.json").write_text(json.dumps({"digest": name, "files": {}, "facts": {"prompt": "choice/1"}}))
    return Receipt("assemble", "k", name, f"artifacts/snapshots/{name}", {}, {}, 0.0, "")


def spec(base: Path, **changes: Any) -> TrainSpec:
    settings = {
        "base_model": str(base),
        "rank": 8,
        "learning_rate": 5e-3,
        "dropout": 0.1,  # so that an exact resume needs the generator's state
        "batch_size": 8,
        "gradient_accumulation": 1,
        "epochs": 3,
        "save_steps": 5,
        "max_length": 128,
        "report_to": ["none"],
    }
    return TrainSpec.model_validate(settings | changes)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("models") / "base", hidden=32, layers=1)


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Receipt, list[Tick]]:
    """One run, start to end, of 160 rows by 3."""
    home, ticks = Home(tmp_path_factory.mktemp("home")), list[Tick]()
    receipt, status = run_step(step(spec(base), "demo", snapshot(home, rows(160))), home, progress=ticks.append)
    assert status == "ran"
    return home, receipt, ticks


def test_it_leaves_a_numbered_adapter_that_says_what_it_is_made_of(
    trained: tuple[Home, Receipt, list[Tick]], base: Path
) -> None:
    home, receipt, ticks = trained
    adapter = adapters.resolve(home, "demo@latest")
    about = adapters.about(adapter)

    assert receipt.artifact == "adapters/demo/1"
    assert sorted(p.name for p in adapter.folder.iterdir()) == [
        "adapter.json",
        "adapter_config.json",
        "adapter_model.safetensors",
        "chat_template.jinja",
        "generation_config.json",
        "manifest.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert (about["base_model"], about["snapshot"], about["prompt"]) == (str(base), "s", "choice/1")
    assert about["settings"]["alpha"] == 16
    assert about["facts"]["steps"] == STEPS
    assert about["facts"]["trained_tokens"] > 160 * 3
    assert about["facts"]["loss_last"] < 0.8 * about["facts"]["loss_first"]
    assert about["facts"]["valid_loss"] < 0.8 * about["facts"]["loss_first"]
    assert about["facts"]["loss"][-1]["step"] == STEPS
    assert [row["step"] for row in about["history"]] == list(range(1, STEPS + 1))
    assert all(row["memory"] > 1 << 20 and row["tokens_per_second"] > 0 for row in about["history"])
    assert about["history"][-1]["valid_loss"] == about["facts"]["valid_loss"]
    assert about["facts"]["canary"]["changes"] > 0.1
    assert ticks[-1].done == ticks[-1].total == STEPS
    assert ticks[-1].note.startswith("loss ")


def test_plain_peft_loads_it(trained: tuple[Home, Receipt, list[Tick]], base: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = trained[0].root / trained[1].artifact
    config = json.loads((folder / "adapter_config.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer.apply_chat_template(rows(1, 2)[0]["prompt"], add_generation_prompt=True, return_tensors="pt")
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folder)
    reply = model.generate(**prompt, do_sample=False, max_new_tokens=12)[0, prompt["input_ids"].shape[1] :]

    assert config["base_model_name_or_path"] == str(base)
    assert config["target_modules"] == sorted(config["target_modules"])
    assert "Answer: B" in tokenizer.decode(reply, skip_special_tokens=True)
    assert reply[-1] == tokenizer.eos_token_id, "it learnt to stop"


def test_killed_in_the_middle_it_goes_on_and_ends_with_the_same_adapter(
    trained: tuple[Home, Receipt, list[Tick]], base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = Home(tmp_path / "home")
    code = (
        "import sys; from pathlib import Path; from storage.home import Home; from tasks.runtime.step import run_step\n"
        "from tests.tasks.train import test_whole_training as t\n"
        "home = Home(Path(sys.argv[1])); snap = t.snapshot(home, t.rows(160))\n"
        "run_step(t.step(t.spec(Path(sys.argv[2])), 'demo', snap), home)"
    )
    run = subprocess.Popen([sys.executable, "-c", code, str(home.root), str(base)], env=process.surroundings({}))
    while not (seals := list(home.root.glob("work/*/scratch/checkpoints/checkpoint-*/whole.json"))):
        assert run.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    broken = seals[0].parents[1] / "checkpoint-59"
    broken.mkdir()
    (broken / "adapter_model.safetensors").write_bytes(b"half a ch")
    assert not adapters.versions(home, "demo")

    with caplog.at_level(logging.INFO, "ponens"):
        receipt, status = run_step(step(spec(base), "demo", snapshot(home, rows(160))), home)

    assert status == "ran"
    assert "going on from checkpoint-" in caplog.text
    assert receipt.digest == trained[1].digest
    assert receipt.facts["loss"] == trained[1].facts["loss"]
    about = adapters.about(adapters.resolve(home, "demo/1"))
    assert [row["step"] for row in about["history"]] == list(range(1, STEPS + 1)), "no step is missing or told twice"


def test_why_it_cannot_train_comes_from_the_child_in_words(base: Path, tmp_path: Path) -> None:
    home = Home(tmp_path)
    long = rows(1, seed=3, words=400)

    with pytest.raises(PonensError, match="row r3-0 has no token to learn"):
        run_step(step(spec(base), "demo", snapshot(home, rows(3) + long, "long")), home)
    assert adapters.versions(home, "demo") == []


@pytest.fixture
def order(base: Path, tmp_path: Path) -> TrainOrder:
    """What the child is given, for training in this process."""
    receipt = snapshot(Home(tmp_path), rows(16))
    source = tmp_path / receipt.artifact
    return TrainOrder(
        spec=spec(base, max_steps=2),
        base_folder=str(base),
        train=source / "train.parquet",
        valid=source / "valid.parquet",
        folder=tmp_path / "out",
        about={},
    )


def changed(order: TrainOrder, **settings: Any) -> TrainOrder:
    return order.model_copy(update={"spec": order.spec.model_copy(update=settings)})


def test_an_empty_snapshot_is_refused(order: TrainOrder) -> None:
    from tasks.train import sft

    pl.read_parquet(order.train).clear().write_parquet(order.train)
    with pytest.raises(PonensError, match="no row to train on"):
        sft.train(order)


def test_cut_rows_are_counted_and_too_many_are_refused(order: TrainOrder) -> None:
    from tasks.train import sft

    examples = rows(16)
    examples[0]["completion"][0]["content"] = "north " * 200
    pl.DataFrame(examples).write_parquet(order.train)
    with pytest.raises(PonensError, match="1 of 16 rows"):
        sft.train(order)
    sft.train(changed(order, max_truncated_share=0.1))

    about = json.loads((order.folder / "adapter.json").read_text())
    assert about["facts"]["truncated"] == 1


def test_a_tokenizer_that_transformers_would_replace_is_refused(order: TrainOrder, tmp_path: Path) -> None:
    from tasks.train import sft

    other = tiny_base(tmp_path / "other", hidden=32, layers=1)
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    tokenizer["pre_tokenizer"] = {
        "type": "ByteLevel",
        "add_prefix_space": True,
        "trim_offsets": True,
        "use_regex": True,
    }
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(PonensError, match="gives other tokens"):
        sft.train(order.model_copy(update={"base_folder": str(other)}))


def test_a_loss_that_is_no_number_stops_the_run(order: TrainOrder) -> None:
    from tasks.train import sft

    wild = changed(order, learning_rate=1e30, max_grad_norm=0.0, warmup=0.0, max_steps=6)
    with pytest.raises(PonensError, match="loss is"):
        sft.train(wild)


def test_labels_and_loss_are_those_of_trl(order: TrainOrder, base: Path, tmp_path: Path) -> None:
    import torch
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from prompts.rendering import Wish
    from tasks.tokenizing import encoding
    from tasks.tokenizing import renderer as render
    from tasks.tokenizing.masks import IGNORED, Teaching
    from tasks.train import loading, sft

    examples = rows(8)
    renderer = render.fit(render.load(str(base), None), Wish())
    tokenizer, model = renderer.tokenizer, loading.load(str(base), order.spec)
    ours = encoding.encode(examples, renderer, 128, Teaching())
    trainer = sft.make(order.spec, tmp_path, tokenizer, model, ours, ours, [])
    config = SFTConfig(
        output_dir=str(tmp_path), max_length=128, completion_only_loss=True, report_to="none", use_cpu=True, bf16=False
    )
    data = Dataset.from_list([{key: row[key] for key in ("prompt", "completion")} for row in examples])
    theirs = SFTTrainer(
        model=loading.load(str(base), order.spec), args=config, train_dataset=data, processing_class=tokenizer
    )
    batch = trainer.packed([trainer.train_dataset[n] for n in range(8)])
    counted = (batch["labels"] != IGNORED).sum()
    trainer.model.eval()

    assert ours.labels == list(theirs.train_dataset["labels"])
    assert ours.ids == list(theirs.train_dataset["input_ids"])
    with torch.no_grad():
        loss = trainer.compute_loss(trainer.model, dict(batch), num_items_in_batch=counted)
        reference = SFTTrainer.compute_loss(trainer, trainer.model, dict(batch), num_items_in_batch=counted)
    assert float(loss) == pytest.approx(float(reference), rel=1e-5)
