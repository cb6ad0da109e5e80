"""Makes the toy base model: tokenizer, drills, training, gates.

    python recipes/demo_base/build.py --out DIR --seed S [--minutes M]

The gates are held-out drills: the base is finished when it masters the skills, not when the clock says so.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from prompts import choice
from puzzles.generate import generate
from puzzles.solve import rationale
from recipes.demo_base import drills, tokenizer
from storage.records import Question

MODEL = {
    "hidden_size": 128,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,  # heads of 32: the smallest that vLLM's CPU attention takes
    "num_key_value_heads": 4,
    "max_position_embeddings": 4_096,
    "rope_theta": 10_000.0,
    "tie_word_embeddings": True,
    "attention_dropout": 0.0,
    "initializer_range": 0.05,
}
SHARPNESS, MATCH = 7.5, 1.3  # of the first attention: see draw_looking_back
EMBEDDING_STD = 0.2  # at the usual 0.02 the skills come many times later
RATE, WARM_UP, COOL_DOWN, BATCH_TOKENS = 1.5e-3, 100, 0.3, 1_024
GATE, ROUNDS = 0.995, 200
Encoded = tuple[list[int], list[float]]


def make_tokenizer() -> Any:
    """The tokenizer for puzzles, instructions and drills; their tokens decide, so the seed is fixed."""
    rng = random.Random(0)
    texts = ["".join(text for text, _ in drills.document(rng)) for _ in range(4_000)]
    for row in generate(2_000, seed=0):
        for asked in row["questions"]:
            question = Question(row["problem"], asked["question"], tuple(asked["options"]), asked["answer"])
            texts += [choice.solve(question)[0].content, rationale(choice.body(question)) or ""]
    texts = [piece for text in texts for piece in text.replace("<|im_", "\n<|im_").split("<|im_end|>")]
    texts = [text.replace("<|im_start|>", "") for text in texts]
    return tokenizer.build(texts, [*drills.WORDS["zh"], *"是否且或亮灭红蓝绿白黑粉甲乙丙丁戊己庚辛第得起找抄排下"])


def encoded(made: Any, seed: int) -> Iterator[Encoded]:
    """Token ids and loss weights of documents without end."""
    rng = random.Random(seed)
    while True:
        documents = [drills.document(rng) for _ in range(256)]
        ids = made([text for pieces in documents for text, _ in pieces], add_special_tokens=False)["input_ids"]
        rest = iter(ids)
        for pieces in documents:
            tokens: list[int] = []
            weights: list[float] = []
            for _, weight in pieces:
                piece = next(rest)
                tokens += piece
                weights += [weight] * len(piece)
            yield tokens, weights


def batches(documents: Iterator[Encoded], rng: random.Random, tokens: int = BATCH_TOKENS) -> Iterator[list[Encoded]]:
    """Batches of documents of like length, about `tokens` tokens each."""
    while True:
        pool = sorted(islice(documents, 2_048), key=lambda document: len(document[0]))
        made, batch = [], []
        for document in pool:
            batch.append(document)
            if len(batch) * len(document[0]) >= tokens:
                made.append(batch)
                batch = []
        rng.shuffle(made)
        yield from made


def tensors(batch: list[Encoded]) -> Any:
    """Token ids and weights as two matrices, padded on the right with weight 0."""
    import torch

    longest = max(len(ids) for ids, _ in batch)
    ids = torch.tensor([row + [0] * (longest - len(row)) for row, _ in batch])
    weights = torch.tensor([row + [0.0] * (longest - len(row)) for _, row in batch])
    return ids, weights


def train(made: Any, seed: int, minutes: float, out: Path) -> Any:
    """A trained model, kept in `out` as it grows. The rate is held, then falls over the last share of CPU time."""
    import torch
    from torch.nn.functional import cross_entropy
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(seed)
    ends = {"eos_token_id": made.eos_token_id, "pad_token_id": made.pad_token_id, "bos_token_id": None}
    model = Qwen2ForCausalLM(Qwen2Config(vocab_size=len(made), **MODEL, **ends))
    draw_looking_back(model)
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    held_out = list(islice(encoded(made, seed=10**9 + seed), ROUNDS))
    began, seen, step = time.process_time(), 0, 0
    for step, batch in enumerate(batches(encoded(made, seed), random.Random(seed))):
        spent = (time.process_time() - began) / (60 * minutes)
        if spent >= 1:
            break
        rate = RATE * min(1.0, (step + 1) / WARM_UP, max(0.02, (1 - spent) / COOL_DOWN))
        for group in optimiser.param_groups:
            group["lr"] = rate
        ids, weights = tensors(batch)
        logits = model(input_ids=ids).logits[:, :-1]
        losses = cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        weight = weights[:, 1:].flatten()
        loss = (losses * weight).sum() / weight.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        seen += ids.numel()
        if step % 500 == 0:
            grown = mastery(model, held_out)
            print(f"{step:6d} {seen / 1e6:6.1f} M tokens {loss.item():.3f} drills {grown:.3f}", flush=True)
            model.save_pretrained(out)
    print(f"{step} steps, {seen / 1e6:.1f} M tokens, {time.process_time() - began:.0f} CPU s", flush=True)
    return model


def draw_looking_back(model: Any) -> None:
    """First weights from which look-ups by key are learned in minutes; from plain random ones hours do not do.

    In layer 0 the biases make head h look h + 1 tokens back, whatever the tokens are. In layer 1 queries read
    the token at hand and keys read what such a head wrote: it begins by attending to what once followed this token.
    """
    import torch

    size, heads = MODEL["hidden_size"], MODEL["num_attention_heads"]
    width = size // heads
    pace = 1.0 / MODEL["rope_theta"] ** (torch.arange(width // 2) / (width / 2))
    read, written, copied = (torch.linalg.qr(torch.randn(size, size))[0] for _ in range(3))
    back, match = (layer.self_attn for layer in model.model.layers)
    with torch.no_grad():
        torch.nn.init.normal_(model.model.embed_tokens.weight, std=EMBEDDING_STD)
        for layer in model.model.layers:
            torch.nn.init.normal_(layer.mlp.down_proj.weight, std=0.02)
        back.v_proj.weight.copy_(read)
        back.o_proj.weight.copy_(EMBEDDING_STD * written.T)
        match.v_proj.weight.copy_(copied)
        match.o_proj.weight.copy_(EMBEDDING_STD * copied.T)
        for head in range(heads):
            rows = slice(head * width, (head + 1) * width)
            phase = pace * (head + 1)
            back.q_proj.bias[rows] = SHARPNESS * torch.cat([phase.cos(), -phase.sin()])
            back.k_proj.bias[rows] = SHARPNESS * torch.cat([torch.ones(width // 2), torch.zeros(width // 2)])
            source = slice(head % 2 * width, (head % 2 + 1) * width)
            match.q_proj.weight[rows] = MATCH * read[source]
            match.k_proj.weight[rows] = MATCH * written[source]


def mastery(model: Any, documents: list[Encoded]) -> float:
    """The share of drilled tokens that come out greedily, given what stands before them."""
    import torch

    hits = total = 0
    with torch.no_grad():
        for start in range(0, len(documents), 20):
            ids, weights = tensors(documents[start : start + 20])
            drilled = weights[:, 1:] == drills.DRILLED
            hits += int(((model(input_ids=ids).logits[:, :-1].argmax(-1) == ids[:, 1:]) & drilled).sum())
            total += int(drilled.sum())
    return hits / total


def save(model: Any, made: Any, out: Path) -> None:
    """Model and tokenizer, checked: the tokenizer that engines load makes the same ids."""
    from transformers import AutoTokenizer

    model.save_pretrained(out)
    made.save_pretrained(out)
    loaded = AutoTokenizer.from_pretrained(out)
    rng = random.Random(1)
    for _ in range(300):
        text = "".join(piece for piece, _ in drills.document(rng))
        assert loaded(text)["input_ids"] == made(text)["input_ids"], f"the saved tokenizer reads otherwise: {text}"


def main() -> None:
    """Build, save, check, and fail below the gate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=9.0, help="CPU minutes")
    given = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    made = make_tokenizer()
    made.save_pretrained(given.out)
    model = train(made, given.seed, given.minutes, given.out)
    reached = mastery(model, list(islice(encoded(made, seed=10**9 + given.seed + 1), ROUNDS)))
    save(model, made, given.out)
    print(json.dumps({"seed": given.seed, "vocabulary": len(made), "drills": round(reached, 4)}))
    if reached < GATE:
        raise SystemExit(f"drills {reached:.3f}, wanted {GATE}: train longer with --minutes")


if __name__ == "__main__":
    main()
