"""Does a GGUF file answer as the folder it was written from? First tokens side by side. Heavy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tasks.gguf import pre_tokenizers

_PROMPTS = (
    "The capital of France is",
    "Question: Ann is taller than Ben. Who is taller?\nAnswer:",
    "SELECT name FROM staff WHERE age > 30 ORDER BY",
    "In 2024, 17 + 25 =",
    "我们在一个有三只猫的房子里，",
    "def add(a, b):\n    return",
    "Once upon a time",
    "If it rains, the street is wet. It rains. Therefore",
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """On how many prompts the likeliest first token is the same, and how far log-probabilities are apart at most.

    `apart` is over the ten likeliest tokens of each prompt, in nats. `tokens` says whether both tokenizers agree.
    """

    prompts: int
    same_first: int
    apart: float
    tokens: bool

    def dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def compare(folder: Path, file: Path) -> Agreement:
    """Load both with transformers, in float32, and ask the same prompts."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    settings = {"dtype": torch.float32, "local_files_only": True}
    ours = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, **settings).eval()
    theirs = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, quantization_config=GgufConfig(dequantize=True), **settings
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    rebuilt = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
    name = pre_tokenizers.pre(tokenizer.backend_tokenizer)
    if name:  # transformers does not know every rule that the file can name
        rebuilt.backend_tokenizer.pre_tokenizer = pre_tokenizers.rule(name)
    same, apart, tokens = 0, 0.0, True
    for prompt in _PROMPTS:
        ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        tokens = tokens and ids == rebuilt(prompt, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            a, b = (m(torch.tensor([ids])).logits[0, -1].log_softmax(-1) for m in (ours, theirs))
        same += int(a.argmax() == b.argmax())
        likeliest = a.topk(min(10, a.numel())).indices
        apart = max(apart, (a - b)[likeliest].abs().max().item())
    return Agreement(len(_PROMPTS), same, round(apart, 6), tokens)
