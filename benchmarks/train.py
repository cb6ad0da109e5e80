"""Training: this project's defaults beside a tutorial's settings, `trl sft`'s defaults and a bare TRL script.

    python benchmarks/train.py                 a small model on the CPU: same rows, same steps, same learning rate
    python benchmarks/train.py --gpu 7b        Qwen2.5-7B's shape with random weights: utilisation of one GPU
    python benchmarks/train.py --factory PY    LLaMA-Factory as well, from an environment of its own
    python benchmarks/train.py --model FOLDER  a real model's shape and vocabulary, over generated questions for SQL

Each contestant trains in a process of its own, on one thread. Told are tokens learnt (those of completions) a second
of processor time, so that other work on the machine weighs little; the wall's time stands beside. The last loss is
measured alike for all: over the completions of rows that nobody trained on.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import Qwen2Config

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
CONTESTANTS = {
    "ponens": "this project's defaults",
    "ponens padded": "the same, packing = false",
    "bare TRL": "SFTTrainer with equal settings",
    "trl sft": "TRL's defaults: gradient checkpointing, bfloat16, 8 rows",
    "LLaMA-Factory": "its defaults: gradient checkpointing",
    "tutorial": "transformers.Trainer, padded to 512, loss on all tokens, gradient checkpointing",
}
SPEC: dict[str, Any] = {
    "rank": 16,
    "learning_rate": 2e-3,
    "epochs": 1.0,
    "batch_size": 4,
    "gradient_accumulation": 4,
    "warmup": 5,
}
MAX_LENGTH = 512
SHAPES = {
    "0.5b": {"hidden": 896, "intermediate": 4864, "layers": 24, "heads": 14, "key_value_heads": 2, "tied": True},
    "7b": {"hidden": 3584, "intermediate": 18944, "layers": 28, "heads": 28, "key_value_heads": 4, "tied": False},
}
VOCABULARY = 152_064
PEAK = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12}  # dense bfloat16, by data sheet
WORDS = ("north", "south", "east", "west", "robot", "turns", "left", "right", "lamp", "ball", "cup", "two", "look")


def rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Short rows of uneven length: words, and the same words backwards."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        words = draw.choices(WORDS, k=min(60, 3 + int(draw.lognormvariate(2.3, 0.7))))
        found.append(
            {
                "id": f"{seed}-{number}",
                "prompt": [{"role": "user", "content": f"Backwards: {' '.join(words)}"}],
                "completion": [{"role": "assistant", "content": " ".join(reversed(words[-8:]))}],
            }
        )
    return found


def queries(count: int, seed: int) -> list[dict[str, Any]]:
    """Questions over small schemas, with the query that answers each."""
    from puzzles.queries import generate

    return [
        {
            "id": row["id"],
            "prompt": [{"role": "user", "content": f"{row['context']}\n\n{row['question']}"}],
            "completion": [{"role": "assistant", "content": row["answer"]}],
        }
        for row in generate(count, seed)
    ]


def flops_per_token(parameters: int, layers: int, hidden: int, length: int, *, frozen: bool) -> float:
    """Floating-point operations of a trained token, forward and backward.

    6 a parameter, and 12 a layer, width and position of attention, halved where it looks back only (Chowdhery et al.,
    arXiv 2204.02311, appendix B). A frozen weight needs no gradient of its own: 4. `parameters` without embeddings.
    """
    return (4 if frozen else 6) * parameters + 6 * layers * hidden * length


def utilisation(tokens_per_second: float, flops: float, peak: float) -> float:
    """Share of the device's peak that the model's own operations come to (MFU; recomputation does not count)."""
    return tokens_per_second * flops / peak


def compare(
    count: int, work: Path, python: Path | None, model: Path | None, only: Sequence[str]
) -> list[dict[str, Any]]:
    """Run the contestants, all if `only` is empty; `python` is that of LLaMA-Factory's environment, `model` a base."""
    if model is None:
        from tests.tiny import tiny_base

        tiny_base(work / "base", hidden=256, layers=4)
    elif not (work / "base").exists():
        (work / "base").symlink_to(model.resolve())
    told = []
    for name in only or CONTESTANTS:
        if name == "LLaMA-Factory" and python is None:
            continue
        command = [sys.executable, str(Path(__file__)), "--alone", name, "--rows", str(count), "--work", str(work)]
        command += ["--factory", str(python)] if name == "LLaMA-Factory" else []
        command += ["--model", str(model)] if model else []
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=(work / "log").open("ab"), text=True, check=True)
        told.append({"name": name, **json.loads(done.stdout.splitlines()[-1])})
        print(json.dumps(told[-1]), file=sys.stderr, flush=True)
    return told


def alone(name: str, count: int, work: Path, model: Path | None) -> dict[str, Any]:
    """One contestant, in this process."""
    import torch
    from transformers import set_seed

    from tasks.tokenizing import encoding
    from tasks.tokenizing.masks import Teaching

    torch.set_num_threads(1)
    set_seed(0)
    train, valid = _rows(count, model)
    renderer = _renderer(work)
    trainer = _trainer(name, train, work, renderer)
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    trainer.train()
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    learnt = encoding.encode(train, renderer, MAX_LENGTH, Teaching()).trained
    return {
        "tokens": learnt,
        "steps": trainer.state.global_step,
        "per_cpu_second": round(learnt / busy, 1),
        "per_second": round(learnt / wall, 1),
        "peak_mib": round(after.ru_maxrss / 1024),
        "loss": round(_loss(trainer.model, encoding.encode(valid, renderer, MAX_LENGTH, Teaching())), 4),
    }


def _rows(count: int, model: Path | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows to train on and rows that nobody trains on."""
    return (queries(count, 1), queries(24, 2)) if model else (rows(count, 1), rows(128, 2))


def _renderer(work: Path) -> Any:
    from prompts.rendering import Wish
    from tasks.tokenizing import renderer as render

    return render.fit(render.load(str(work / "base"), None), Wish())


def _trainer(name: str, train: list[dict[str, Any]], work: Path, renderer: Any) -> Any:
    from tasks.tokenizing import encoding
    from tasks.tokenizing.masks import Teaching
    from tasks.train import loading, settings, sft
    from tasks.train.spec import TrainSpec

    packing = name != "ponens padded"
    spec = TrainSpec.model_validate(
        {"base_model": str(work / "base"), "max_length": MAX_LENGTH, "packing": packing, **SPEC}
    )
    tokenizer, model = renderer.tokenizer, loading.load(str(work / "base"), spec)
    folder = work / name.replace(" ", "-")
    encoded = encoding.encode(train, renderer, MAX_LENGTH, Teaching())
    if name.startswith("ponens"):
        none = encoding.Encoded([], [], 0, 0)
        return sft.make(spec, folder, tokenizer, model, encoded, none, [])
    lora = settings.lora(spec)
    common: dict[str, Any] = {
        "output_dir": str(folder),
        "num_train_epochs": 1,
        "learning_rate": spec.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": spec.warmup,
        "use_cpu": True,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
        "logging_steps": 10,
        "dataloader_pin_memory": False,
        "adam_beta2": spec.adam_beta2,
    }
    equal = {"per_device_train_batch_size": spec.batch_size, "gradient_accumulation_steps": spec.gradient_accumulation}
    if name == "tutorial":
        return _tutorial(model, tokenizer, encoded, lora, common | equal)
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    apart = {"gradient_checkpointing": False, "bf16": False, **equal}
    config = SFTConfig(
        max_length=MAX_LENGTH,
        **common,
        **(apart if name == "bare TRL" else {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 2}),
    )
    data = Dataset.from_list([{key: row[key] for key in ("prompt", "completion")} for row in train])
    return SFTTrainer(model=model, args=config, train_dataset=data, processing_class=tokenizer, peft_config=lora)


def _tutorial(model: Any, tokenizer: Any, encoded: Any, lora: Any, common: dict[str, Any]) -> Any:
    """What tutorials print: every row filled up to the maximum, every token of it learnt but the filling."""
    from datasets import Dataset
    from peft import get_peft_model
    from transformers import Trainer, TrainingArguments, default_data_collator

    filled = []
    for ids in encoded.ids:
        empty = MAX_LENGTH - len(ids)
        filled.append(
            {
                "input_ids": ids + [tokenizer.pad_token_id] * empty,
                "attention_mask": [1] * len(ids) + [0] * empty,
                "labels": ids + [-100] * empty,
            }
        )
    model.enable_input_require_grads()
    return Trainer(
        model=get_peft_model(model, lora),
        args=TrainingArguments(gradient_checkpointing=True, **common),
        train_dataset=Dataset.from_list(filled),
        data_collator=default_data_collator,
    )


def factory(count: int, work: Path, python: Path, model: Path | None) -> dict[str, Any]:
    """LLaMA-Factory on the same rows. Its start, as long as many steps, is told apart by a run of one step."""
    from peft import PeftModel

    from tasks.tokenizing import encoding
    from tasks.tokenizing.masks import Teaching
    from tasks.train import loading
    from tasks.train.spec import TrainSpec

    train, held_out = _rows(count, model)
    said = [
        {"instruction": r["prompt"][0]["content"], "input": "", "output": r["completion"][0]["content"]} for r in train
    ]
    (work / "rows.json").write_text(json.dumps(said))
    (work / "dataset_info.json").write_text(json.dumps({"rows": {"file_name": "rows.json"}}))
    settings: dict[str, Any] = {
        "model_name_or_path": str(work / "base"),
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": SPEC["rank"],
        "lora_alpha": 2 * SPEC["rank"],
        "lora_target": "all",
        "dataset": "rows",
        "dataset_dir": str(work),
        "template": "chatml",
        "cutoff_len": MAX_LENGTH,
        "per_device_train_batch_size": SPEC["batch_size"],
        "gradient_accumulation_steps": SPEC["gradient_accumulation"],
        "learning_rate": SPEC["learning_rate"],
        "lr_scheduler_type": "cosine",
        "warmup_steps": SPEC["warmup"],
        "num_train_epochs": 1,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "seed": 0,
    }
    busy, wall = {}, {}
    for steps in (1, -1):
        out = work / f"factory{steps}"
        file = work / f"factory{steps}.yaml"  # its reader of JSON is broken; JSON is YAML
        file.write_text(json.dumps(settings | {"max_steps": steps, "output_dir": str(out)}))
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "FORCE_TORCHRUN": "0", "DISABLE_VERSION_CHECK": "1"}
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        subprocess.run(
            [str(python), "-m", "llamafactory.cli", "train", str(file)],
            check=True, stdout=sys.stderr, env=environment,
        )  # fmt: skip
        after, wall[steps] = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - start
        busy[steps] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    spec = TrainSpec.model_validate({"base_model": str(work / "base")})
    renderer, base = _renderer(work), loading.load(str(work / "base"), spec)
    learnt = encoding.encode(train, renderer, MAX_LENGTH, Teaching()).trained
    every = SPEC["batch_size"] * SPEC["gradient_accumulation"]
    shown = learnt * (1 - every / count)
    valid = encoding.encode(held_out, renderer, MAX_LENGTH, Teaching())
    return {
        "tokens": learnt,
        "steps": -(-count // int(every)),
        "per_cpu_second": round(shown / (busy[-1] - busy[1]), 1),
        "per_second": round(shown / (wall[-1] - wall[1]), 1),
        "peak_mib": round(after.ru_maxrss / 1024),
        "loss": round(_loss(PeftModel.from_pretrained(base, str(out)), valid), 4),
    }


def _loss(model: Any, encoded: Any) -> float:
    """Mean loss of a completion's token."""
    import torch

    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for ids, labels in zip(encoded.ids, encoded.labels, strict=True):
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, :-1].float()
            total += float(torch.nn.functional.cross_entropy(logits, torch.tensor(labels[1:]), reduction="sum"))
            count += sum(label != -100 for label in labels)
    return total / count


def shape(size: str, vocabulary: int, **more: Any) -> Qwen2Config:
    """The configuration of a Qwen2 of that shape."""
    from transformers import Qwen2Config

    wide = SHAPES[size]
    return Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=wide["hidden"],
        intermediate_size=wide["intermediate"],
        num_hidden_layers=wide["layers"],
        num_attention_heads=wide["heads"],
        num_key_value_heads=wide["key_value_heads"],
        tie_word_embeddings=wide["tied"],
        **more,
    )


def gpu(size: str, length: int, steps: int, method: str) -> dict[str, Any]:
    """A shape with random weights and random rows on this machine's GPU."""
    import torch
    from transformers import Qwen2ForCausalLM

    from tasks.tokenizing import encoding
    from tasks.train import sft
    from tasks.train.spec import TrainSpec
    from tests.tiny import tiny_tokenizer

    wide, config = SHAPES[size], shape(size, VOCABULARY, dtype=torch.bfloat16)
    with torch.device("cuda"):
        model = Qwen2ForCausalLM(config).to(torch.bfloat16)
    spec = TrainSpec.model_validate(
        {
            "base_model": "x",
            "method": method,
            "batch_size": 8,
            "gradient_accumulation": 2,
            "max_length": length,
            "max_steps": steps,
        }
    )
    draw = random.Random(0)
    ids = [[draw.randrange(3, VOCABULARY) for _ in range(length)] for _ in range(16 * steps)]
    encoded = encoding.Encoded(ids, ids, 0, sum(map(len, ids)))
    trainer = sft.make(spec, Path("bench-gpu"), tiny_tokenizer(), model, encoded, encoding.Encoded([], [], 0, 0), [])
    trainer.args.save_strategy = "no"
    start = time.monotonic()
    trainer.train()
    torch.cuda.synchronize()
    rate = 16 * steps * length / (time.monotonic() - start)
    matrices = sum(
        p.numel() for n, p in model.named_parameters() if p.dim() == 2 and "embed" not in n and "lora" not in n
    )
    matrices += VOCABULARY * wide["hidden"] if wide["tied"] else 0  # the head computes, whoever owns its weights
    name = torch.cuda.get_device_name()
    peak = next((flops for part, flops in PEAK.items() if part in name), None)
    flops = flops_per_token(matrices, wide["layers"], wide["hidden"], length, frozen=method != "full")
    return {
        "device": name,
        "tokens_per_second": round(rate),
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 1),
        "utilisation": round(utilisation(rate, flops, peak), 3) if peak else None,
    }


def table(told: list[dict[str, Any]]) -> str:
    """Markdown, the last contestant as 1."""
    slowest = told[-1]["per_cpu_second"]
    lines = [
        "| settings | tokens a CPU second | ratio | tokens a second | peak MiB | loss |",
        "|---|---|---|---|---|---|",
    ]
    for row in told:
        cells = (
            f"{row['name']}: {CONTESTANTS[row['name']]}",
            f"{row['per_cpu_second']:,.0f}",
            f"{row['per_cpu_second'] / slowest:.1f}",
            f"{row['per_second']:,.0f}",
            f"{row['peak_mib']:,}",
            f"{row['loss']:.3f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=640)
    parser.add_argument("--work", type=Path, default=Path("bench-train"))
    parser.add_argument("--alone", choices=list(CONTESTANTS))
    parser.add_argument("--factory", type=Path)
    parser.add_argument("--model", type=Path, help="a base model's folder, such as models/smollm2 of a home")
    parser.add_argument("--only", nargs="+", choices=list(CONTESTANTS), default=[])
    parser.add_argument("--gpu", choices=list(SHAPES))
    parser.add_argument("--length", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--method", default="lora")
    given = parser.parse_args()
    if given.gpu:
        print(json.dumps(gpu(given.gpu, given.length, given.steps, given.method)))
    elif given.alone:
        if given.alone == "LLaMA-Factory":
            print(json.dumps(factory(given.rows, given.work, given.factory, given.model)))
        else:
            print(json.dumps(alone(given.alone, given.rows, given.work, given.model)))
    else:
        given.work.mkdir(parents=True, exist_ok=True)
        print(table(compare(given.rows, given.work, given.factory, given.model, given.only)))


if __name__ == "__main__":
    main()
