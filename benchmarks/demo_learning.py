"""Does the demo's adapter learn to reason? Puzzles, rationales, LoRA, generation, figures; one JSON line.

    python benchmarks/demo_learning.py --seed 1            # trained on rationales
    python benchmarks/demo_learning.py --seed 1 --bare     # the ablation: equal steps on "Answer: X" alone

Stands alone: it uses the puzzles, the prompt and TRL, none of the pipeline. Times are wall seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from prompts import choice
from puzzles.generate import generate
from puzzles.solve import solve_question
from storage.records import Question

FAMILIES = ("compass", "calendar", "seasons", "relay")  # those that the toy base has the skills for
BASE = Path(__file__).parents[1] / "recipes" / "demo_base"


def questions(count: int, seed: int) -> list[tuple[str, Question]]:
    """Questions of `count` puzzles, each with its cell: family and language."""
    return [
        (row["id"].rsplit("-", 1)[0], Question(row["problem"], q["question"], tuple(q["options"]), q["answer"]))
        for row in generate(count, seed, FAMILIES)
        for q in row["questions"]
    ]


def training_row(question: Question, bare: bool) -> dict[str, Any]:
    solved = solve_question(question.problem, question.question, question.options)
    assert solved is not None
    reply = solved[1].splitlines()[-1] if bare else solved[1]
    prompt = [message.dict() for message in choice.solve(question)]
    return {"prompt": prompt, "completion": [{"role": "assistant", "content": reply}]}


def train(rows: list[dict[str, Any]], given: argparse.Namespace, out: str) -> tuple[Any, Any, dict[str, float]]:
    """The merged model, its tokenizer and what the training took."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    tokenizer = AutoTokenizer.from_pretrained(given.base)
    config = SFTConfig(
        output_dir=out,
        seed=given.seed,
        per_device_train_batch_size=given.batch,
        num_train_epochs=given.epochs,
        learning_rate=given.rate,
        lr_scheduler_type=given.scheduler,
        warmup_steps=given.warmup,
        adam_beta2=given.beta2,
        weight_decay=0.0,
        max_grad_norm=1.0,
        max_length=256,
        completion_only_loss=True,
        packing=False,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        logging_steps=50,
        train_sampling_strategy="group_by_length" if given.group else "random",
        disable_tqdm=True,
    )
    lora = LoraConfig(r=given.rank, lora_alpha=given.alpha, lora_dropout=0.0, target_modules="all-linear")
    model = AutoModelForCausalLM.from_pretrained(given.base)
    trainer = SFTTrainer(
        model=model, args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer, peft_config=lora
    )
    began = time.time()
    result = trainer.train()
    took = {"train_s": round(time.time() - began, 1), "steps": result.global_step, "loss": result.training_loss}
    return trainer.model.merge_and_unload().eval(), tokenizer, took


def replies(
    model: Any, tokenizer: Any, held_out: list[Question], *, votes: int, temperature: float, most: int
) -> list[list[str]]:
    """`votes` replies to each question; temperature 0 is greedy."""
    import torch

    tokenizer.padding_side = "left"
    found: list[list[str]] = []
    sampling = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
    for start in range(0, len(held_out), 64):
        chats = [[message.dict() for message in choice.solve(question)] for question in held_out[start : start + 64]]
        texts = tokenizer.apply_chat_template(chats, add_generation_prompt=True, tokenize=False)
        batch = tokenizer(texts, return_tensors="pt", padding=True)
        with torch.no_grad():
            out = model.generate(**batch, **sampling, max_new_tokens=most, num_return_sequences=votes)
        made = tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
        found += [made[at : at + votes] for at in range(0, len(made), votes)]
    return found


def forced(model: Any, tokenizer: Any, held_out: list[Question]) -> list[str]:
    """The likeliest letter right after the forced beginning of a reply."""
    import torch

    letters = []
    for question in held_out:
        chat = [message.dict() for message in choice.solve(question)]
        text = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False) + choice.forced(question)
        gap = " " if question.language == "en" else ""
        ids = [tokenizer(gap + letter)["input_ids"][0] for letter in question.letters]
        with torch.no_grad():
            logits = model(**tokenizer(text, return_tensors="pt")).logits[0, -1, ids]
        letters.append(question.letters[int(logits.argmax())])
    return letters


def winner(votes: list[str | None]) -> str | None:
    """The most frequent readable letter, the first of the alphabet on a tie."""
    tally = Counter(vote for vote in votes if vote)
    return min(tally, key=lambda letter: (-tally[letter], letter)) if tally else None


def share(answers: list[str | None], held_out: list[Question]) -> float:
    return round(sum(a == q.answer for a, q in zip(answers, held_out, strict=True)) / len(held_out), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bare", action="store_true", help="train on the answer line alone")
    parser.add_argument("--base", default=str(BASE))
    parser.add_argument("--puzzles", type=int, default=6_000)
    parser.add_argument("--held-out", type=int, default=200, help="puzzles kept for the test")
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--scheduler", default="cosine")
    parser.add_argument("--warmup", type=int, default=20)
    parser.add_argument("--beta2", type=float, default=0.98)
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--alpha", type=int, default=64)
    parser.add_argument("--group", action="store_true", help="batches of like length")
    parser.add_argument("--votes", type=int, default=5)
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--max-tokens", type=int, default=112)
    parser.add_argument("--out", help="folder for the merged model")
    given = parser.parse_args()

    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    torch.manual_seed(given.seed)
    began = time.time()
    taught = questions(given.puzzles + given.held_out, given.seed)
    problems = list(dict.fromkeys(question.problem for _, question in taught))
    test = set(problems[-given.held_out :])
    rows = [training_row(question, given.bare) for _, question in taught if question.problem not in test]
    cells = [cell for cell, question in taught if question.problem in test]
    held_out = [question for _, question in taught if question.problem in test]
    with tempfile.TemporaryDirectory() as out:
        model, tokenizer, took = train(rows, given, out)
    if given.out:
        model.save_pretrained(given.out)
        tokenizer.save_pretrained(given.out)

    def read(texts: list[list[str]]) -> list[list[str | None]]:
        return [[choice.read(t, q).answer for t in row] for row, q in zip(texts, held_out, strict=True)]

    budget = {"most": given.max_tokens}
    greedy = read(replies(model, tokenizer, held_out, votes=1, temperature=0, **budget))
    ballots = read(replies(model, tokenizer, held_out, votes=given.votes, temperature=given.temperature, **budget))
    base = AutoModelForCausalLM.from_pretrained(given.base).eval()
    free = read(replies(base, tokenizer, held_out, votes=1, temperature=0, **budget))
    elected = [winner(row) for row in ballots]
    by_cell: dict[str, list[bool]] = defaultdict(list)
    for cell, answer, question in zip(cells, elected, held_out, strict=True):
        by_cell[cell].append(answer == question.answer)
    print(
        json.dumps(
            {
                "seed": given.seed,
                "bare": given.bare,
                "rows": len(rows),
                "held_out": len(held_out),
                **took,
                "base_forced": share(forced(base, tokenizer, held_out), held_out),
                "base_free": share([row[0] for row in free], held_out),
                "base_unreadable": round(sum(row[0] is None for row in free) / len(free), 4),
                "forced": share(forced(model, tokenizer, held_out), held_out),
                "greedy": share([row[0] for row in greedy], held_out),
                "single": round(
                    sum(share([row[n] for row in ballots], held_out) for n in range(given.votes)) / given.votes, 4
                ),
                "votes": share(elected, held_out),
                "unreadable": round(sum(a is None for row in ballots for a in row) / sum(map(len, ballots)), 4),
                "cells": {cell: round(sum(hits) / len(hits), 3) for cell, hits in sorted(by_cell.items())},
                "all_s": round(time.time() - began, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
