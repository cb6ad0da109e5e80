"""Are the weights that an engine holds the ones it was given? A few texts, and the log-probabilities of what follows.

    note(model, tokenizer, folder)         the model's own, beside its weights
    check(folder, ask, "logic/3", dtype)   PonensError if the engine says otherwise

An engine whose weights are changed in place may keep packed copies of the old ones, or put them where other layers
stand (vLLM's experts on a CPU): nothing then fails, and every reply is noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from storage.artifacts import write_json
from storage.records import PonensError

FILE = "asked.json"
_TEXTS = ("The capital of France is", "Mia is left of Tom. Who", "1 2 3 4", "答案是", "def main():")
MOST = 5  # likeliest tokens of each text that are compared
SEEN = 20  # of which an engine must name them
_FAR = 10.0  # what a token that the engine does not name is taken to differ by, in nats
# mean difference in nats: two ways of computing the same in float32; half precision has eight to eleven bits
_ALLOWED = {"float32": 0.01}
_OTHERWISE = 0.25

Ids = Sequence[int]
Likely = Mapping[int, float]  # log-probability by token
Ask = Callable[[Sequence[Ids]], Sequence[Likely]]


def note(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write down what a transformers model finds likely after each text."""
    import torch

    asked = prompts(tokenizer)
    found = []
    for ids in asked:
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([ids], device=model.device), use_cache=False).logits[0, -1].float()
        best = logits.log_softmax(-1).topk(min(MOST, logits.shape[-1]))
        found.append([[int(i), float(p)] for i, p in zip(best.indices, best.values, strict=True)])
    write_json(folder / FILE, {"asked": asked, "likely": found})


def prompts(tokenizer: Any) -> list[list[int]]:
    """The texts in tokens."""
    return [list(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in _TEXTS]


def check(folder: Path, ask: Ask, subject: str, dtype: str) -> None:
    """PonensError if the engine, asked, does not say what was written down with the weights that it was given."""
    told = orjson.loads((folder / FILE).read_bytes())
    right = [dict(likely) for likely in told["likely"]]
    compare(right, ask(told["asked"]), subject, dtype)


def compare(right: Sequence[Likely], said: Sequence[Likely], subject: str, dtype: str) -> None:
    """PonensError if the likeliest tokens of `right` have other log-probabilities in `said`."""
    apart = [abs(p - now.get(i, p - _FAR)) for known, now in zip(right, said, strict=True) for i, p in known.items()]
    mean = sum(apart) / max(1, len(apart))
    allowed = _ALLOWED.get(dtype, _OTHERWISE)
    if not mean <= allowed:
        raise PonensError(
            f"vLLM does not hold the weights of {subject} that it was given: its replies would be noise",
            seen=f"log-probabilities differ by {mean:.3g} in the mean from what these weights say",
            expected=f"at most {allowed:g}",
            hint='set [evaluate] engine = "transformers"',
        )
